import { describe, expect, it } from "vitest";
import { bestLog2Rate, importances, type Sample } from "../../src/search/analysis.ts";
import { suggest } from "../support/suggest.ts";
import type { Space } from "../../src/search/space.ts";
import { randomStream } from "../../src/rng.ts";

const space: Space = {
  learning_rate: { distribution: "log_uniform", min: 2 ** -10, max: 2 ** -2 },
  init_std: { distribution: "log_uniform", min: 0.25, max: 4 },
  embedding_std: { values: [0.25, 0.5, 1, 2] },
};
const noise = randomStream(1, "noise");
/** A parabola around 2⁻⁶ with another in init_std, and noise. */
const sampled = (count: number, deviation: number): readonly Sample[] =>
  suggest("random", space, count, 3).map((point) => ({
    point,
    loss: 2 + 0.1 * (Math.log2(point["learning_rate"]) + 6) ** 2 + 0.02 * Math.log2(point["init_std"]) ** 2 + deviation * noise.normal(),
  }));

describe("the best learning rate", () => {
  it("is estimated at the winner's other values", () => {
    const best = bestLog2Rate(space, sampled(64, 0.005), { learning_rate: 0.01, init_std: 1, embedding_std: 0.5 }, 1);
    expect(best?.low).toBeLessThan(-6);
    expect(best?.high).toBeGreaterThan(-6);
  });
});

describe("importance", () => {
  it("ranks what decides before what does not, with intervals", () => {
    const shares = importances(space, sampled(100, 0.02), 1);
    expect(shares.map(({ name }) => name)[0]).toBe("learning_rate");
    expect(shares[0].value).toBeGreaterThan(0.7);
    expect(shares.at(-1)?.value).toBeLessThan(0.1);
    for (const { low, value, high } of shares) {
      expect(low).toBeLessThanOrEqual(value);
      expect(value).toBeLessThanOrEqual(high);
    }
  });
  it("takes divergence for the worst, and says nothing from too little", () => {
    const cliff = sampled(60, 0).map(({ point }) => ({ point, loss: point["learning_rate"] > 0.05 ? null : 2 }));
    expect(importances(space, cliff, 1)[0]).toMatchObject({ name: "learning_rate" });
    expect(importances(space, sampled(9, 0), 1)).toEqual([]);
  });
});
