/** How often the interval holds the truth on real trainings is `npm run bench:calibration`'s business; here is what holds of each answer. */
import { describe, expect, it } from "vitest";
import { bestRate, type RatedLoss } from "../../src/search/optimum.ts";
import { randomStream } from "../../src/rng.ts";

const noise = randomStream(1, "noise");
/** A slow left side and a cliff on the right, lowest at 2⁻⁶. */
const cliff = (log2Rate: number): number => 2 - 0.05 * (log2Rate + 6) + 0.1 * Math.log(1 + Math.exp(4 * (log2Rate + 6) + Math.log(1 / 7)));
const along = (count: number, from: number, to: number, deviation: number): readonly RatedLoss[] =>
  Array.from({ length: count }, (_, index) => {
    const log2Rate = from + ((to - from) * index) / (count - 1);
    return { log2Rate, others: [], loss: cliff(log2Rate) + deviation * noise.normal() };
  });
const best = (samples: readonly RatedLoss[], others: readonly number[] = []): ReturnType<typeof bestRate> =>
  bestRate(samples, others, randomStream(1, "test"));

describe("the best learning rate", () => {
  it("is found beside a cliff, with an interval that holds it and narrows with the noise", () => {
    const [noisy, quiet] = [0.03, 0.003].map((deviation) => best(along(24, -9, -3, deviation)));
    for (const each of [noisy, quiet]) {
      expect(each?.open).toBeNull();
      expect(each?.low).toBeLessThan(-6);
      expect(each?.high).toBeGreaterThan(-6);
    }
    expect(Math.abs((quiet?.value ?? 0) + 6)).toBeLessThan(0.25);
    expect((quiet?.high ?? 0) - (quiet?.low ?? 0)).toBeLessThan((noisy?.high ?? 0) - (noisy?.low ?? 0));
  });
  it("lies beyond the rates tried, on the side where the curve has not turned", () => {
    expect(best(along(12, -9, -6.5, 0.003))).toMatchObject({ open: "upper", high: -6.5 });
    expect(best(along(12, -5.5, -4, 0.003))).toMatchObject({ open: "lower", low: -5.5 });
  });
  it("is not determined by too few trainings or rates, nor by noise", () => {
    expect(best([])).toBeUndefined();
    expect(best(along(4, -9, -3, 0))).toBeUndefined();
    expect(best(Array(9).fill({ log2Rate: -6, others: [], loss: 2 }))).toBeUndefined();
    expect(best(along(12, -9, -3, 0).map((each) => ({ ...each, loss: 2 })))).toBeUndefined();
    const flat = along(12, -9, -3, 0).map((each) => ({ ...each, loss: 2 + 0.01 * noise.normal() }));
    expect(best(flat)).toBeUndefined();
  });
  it("is that under the conditions asked for", () => {
    const samples = Array.from({ length: 60 }, (_, index) => {
      const [log2Rate, other] = [-9 + (index % 20) * 0.3, ((index * 7) % 10) / 10];
      return { log2Rate, others: [other], loss: 2 + 0.1 * (log2Rate + 8 - 4 * other) ** 2 };
    });
    expect(best(samples, [0.1])?.value).toBeCloseTo(-7.6, 0);
    expect(best(samples, [0.8])?.value).toBeCloseTo(-4.8, 0);
  });
  it("lies no higher than the lowest rate that diverges, also where losses fall up to it", () => {
    const falling = Array.from({ length: 24 }, (_, index): RatedLoss => {
      const log2Rate = -9 + index / 4;
      return { log2Rate, others: [], loss: log2Rate > -5 ? null : 3 - 0.1 * (log2Rate + 9) + 0.01 * noise.normal() };
    });
    expect(best(falling)).toMatchObject({ open: null, high: -4.75 });
    expect(best(falling)?.low).toBeLessThanOrEqual(-5);
    const cliffed = falling.map((each) => ({ ...each, loss: each.loss ?? 4 }));
    expect(best(cliffed)).toMatchObject({ open: null, high: -4.75 });
  });
  it("is no surer with more trials of the same seed than seeds differ by, and surer with more seeds", () => {
    const width = (samples: readonly RatedLoss[], seeds: number): number => {
      const interval = bestRate(samples, [], randomStream(1, "test"), seeds);
      return (interval?.high ?? NaN) - (interval?.low ?? NaN);
    };
    const many = along(140, -7.5, -4.5, 0.02);
    expect(width(many, 1)).toBeGreaterThan(1.3 * width(many, 100));
  });
  it("takes a training that diverged for worse than all others, and thousands in a moment", () => {
    const samples = along(24, -9, -3, 0.003).map((each) => (each.log2Rate > -5 ? { ...each, loss: null } : each));
    expect(best(samples)?.high).toBeLessThan(-4.9);
    const started = performance.now();
    expect(best(along(5000, -9, -3, 0.01))?.open).toBeNull();
    expect(performance.now() - started).toBeLessThan(20_000);
  });
});
