import { describe, expect, it } from "vitest";
import { bestLog2Rate, edgesOf, importances, type Sample } from "../../src/search/analysis.ts";
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
  it("is the vertex of a parabola, exactly when the losses are one", () => {
    const best = bestLog2Rate(
      { learning_rate: space["learning_rate"] },
      sampled(40, 0).map(({ point }) => ({ point, loss: (Math.log2(point["learning_rate"]) + 6) ** 2 })),
      1,
    );
    expect(best?.value).toBeCloseTo(-6, 5);
    expect(best?.low).toBeCloseTo(-6, 5);
    expect(best?.high).toBeCloseTo(-6, 5);
  });
  it("has an interval that holds it and narrows with the noise", () => {
    const [noisy, quiet] = [0.05, 0.005].map((deviation) => bestLog2Rate(space, sampled(64, deviation), 1));
    for (const best of [noisy, quiet]) {
      expect(best?.low).toBeLessThan(-6);
      expect(best?.high).toBeGreaterThan(-6);
    }
    const widthOf = (best: typeof noisy): number => (best?.high ?? 0) - (best?.low ?? 0);
    expect(widthOf(quiet)).toBeLessThan(widthOf(noisy) / 3);
  });
  it("is never beyond what was tried, and unknown from too little", () => {
    const rising = [-9, -8.5, -8, -7.5, -7].map((rate) => ({ point: { learning_rate: 2 ** rate }, loss: rate }));
    expect(bestLog2Rate(space, rising, 1)?.value).toBe(-9);
    expect(bestLog2Rate(space, rising.slice(0, 4), 1)).toBeUndefined();
    expect(bestLog2Rate(space, [], 1)).toBeUndefined();
    expect(bestLog2Rate(space, Array(9).fill({ point: { learning_rate: 0.1 }, loss: 1 }), 1)).toBeUndefined();
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

describe("edges", () => {
  const at = (learning_rate: number, embedding_std = 0.5): unknown => edgesOf(space, { learning_rate, init_std: 1, embedding_std });
  it("are the outer twentieth of a range, and the first and last of a list", () => {
    expect(at(2 ** -6)).toEqual([]);
    expect(at(2 ** -9.7)).toEqual([{ name: "learning_rate", side: "lower", bound: 2 ** -10, extendTo: 0.0002441 }]);
    expect(at(0.24)).toMatchObject([{ side: "upper", extendTo: 1 }]);
    expect(edgesOf({ learning_rate: { values: [0.01, 0.03, 1e30] } }, { learning_rate: 0.03 })).toEqual([]);
    expect(at(2 ** -6, 2)).toMatchObject([{ name: "embedding_std", side: "upper", bound: 2, extendTo: 8 }]);
  });
  it("are none of a fixed value, nor of a list of two", () => {
    expect(edgesOf({ learning_rate: { value: 1 }, init_std: { values: [1, 2] } }, { learning_rate: 1, init_std: 2 })).toEqual([]);
  });
});
