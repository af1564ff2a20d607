/** What is said of learning-rate curves, on valleys whose optimum, drift and noise are known. */
import { describe, expect, it } from "vitest";
import { familyOf } from "../../src/evidence/curves.ts";
import type { Family } from "../../src/evidence/records.ts";

type Points = Family["curves"][number]["points"];
const exponents = [-10, -9, -8, -7, -6, -5, -4, -3, -2];

/** A parabola in log2 of the rate, seeds above and below it. */
const valley = (center: number, floor: number, noise: readonly number[] = [-0.01, 0, 0.01], diverges = Infinity): Points =>
  exponents.map((exponent) => ({
    learning_rate: 2 ** exponent,
    losses: noise.map((nats) => (exponent >= diverges ? null : floor + 0.04 * (exponent - center) ** 2 + nats)),
  }));
const family = (...points: readonly Points[]): Family =>
  familyOf(
    "mup",
    points.map((each, index) => ({ size: 32 * 2 ** index, points: each })),
  );

describe("learning-rate curves", () => {
  it("have the valley's optimum, between the rates that were tried", () => {
    const [{ optimum }] = family(valley(-5.3, 2)).curves;
    expect(optimum?.log2_learning_rate).toBeCloseTo(-5.3, 9);
    expect(optimum?.loss).toBeCloseTo(2, 9);
    expect(optimum).toMatchObject({ edge: null });
    // Seeds that only lift the whole curve say nothing about its place.
    expect(optimum?.low).toBeCloseTo(-5.3, 9);
    expect(optimum?.high).toBeCloseTo(-5.3, 9);
  });
  it("have an interval where seeds disagree on the place", () => {
    const [left, right] = [valley(-6, 2, [0]), valley(-5, 2, [0])];
    const points = left.map((point, index) => ({ ...point, losses: [...point.losses, ...right[index].losses] }));
    const [{ optimum }] = family(points).curves;
    expect(optimum?.log2_learning_rate).toBeCloseTo(-5.5, 9);
    expect(optimum?.low).toBeCloseTo(-6, 9);
    expect(optimum?.high).toBeCloseTo(-5, 9);
  });
  it("drift by what each doubling moves the optimum", () => {
    expect(family(valley(-5, 2.2), valley(-6, 2.1), valley(-7, 2)).drift?.per_doubling).toBeCloseTo(-1, 9);
    expect(family(valley(-5, 2.2), valley(-5, 2.1)).drift?.per_doubling).toBeCloseTo(0, 9);
  });
  it("have an error that is the standard error over seeds, however few", () => {
    const [left, right] = [valley(-6, 2.1, [0]), valley(-5, 2.1, [0])];
    const mixed = left.map((point, index) => ({ ...point, losses: [...point.losses, ...right[index].losses] }));
    // One seed moves by an octave, the other by none: 0.5 ± 0.5, from 400 resamples.
    const { drift } = family(mixed, valley(-5, 2, [0, 0]));
    expect(drift?.per_doubling).toBeCloseTo(0.5, 9);
    expect(drift?.standard_error).toBeCloseTo(0.5, 1);
  });
  it("find the valley between rates that are two octaves apart", () => {
    const coarse = valley(-5.3, 2).filter((_, index) => index % 2 === 0);
    expect(family(coarse).curves[0].optimum?.log2_learning_rate).toBeCloseTo(-5.3, 9);
  });
  it("cost what the smallest size's best rate loses at the largest, in seeds' deviations too", () => {
    const { gap } = family(valley(-5, 2.2), valley(-7, 2));
    expect(gap?.nats).toBeCloseTo(0.04 * 4, 9);
    expect(gap?.seed_deviations).toBeCloseTo(16, 6);
  });
  it("violate wider-is-better only where the noise does not explain it", () => {
    expect(family(valley(-5, 2), valley(-5, 2.005)).violations).toEqual([]);
    const { violations } = family(valley(-5, 2), valley(-5, 2.1));
    expect(violations).toHaveLength(exponents.length);
    expect(violations[0]).toMatchObject({ learning_rate: 2 ** -10, smaller: 32, larger: 64 });
    expect(violations[0].nats).toBeCloseTo(0.1, 9);
  });
  it("say which end of the grid an optimum lies at", () => {
    expect(family(valley(-11, 2)).curves[0].optimum).toMatchObject({ edge: "low", log2_learning_rate: -10 });
    expect(family(valley(0, 2)).curves[0].optimum).toMatchObject({ edge: "high", log2_learning_rate: -2 });
  });
  it("do not drift by a number when an optimum may lie beyond the grid", () => {
    expect(family(valley(-5, 2.1), valley(-11, 2)).drift).toBeNull();
  });
  it("claim nothing of noise with a single seed", () => {
    const { curves, drift } = family(valley(-5, 2.1, [0]), valley(-5, 2, [0]));
    expect(curves[0].optimum).toMatchObject({ low: null, high: null });
    expect(drift).toEqual({ per_doubling: expect.closeTo(0, 9) as number, standard_error: null });
  });
  it("where everything diverges have no optimum, drift or gap", () => {
    const { curves, drift, gap, violations } = family(valley(-5, 2, [0, 0], -10), valley(-5, 2, [0, 0]));
    expect([curves[0].optimum, drift, gap, violations]).toEqual([null, null, null, []]);
    expect(family(valley(-5, 2, [0, 0], -6)).curves[0].optimum).toMatchObject({ edge: null });
  });
});
