/** What is said of learning-rate curves, on valleys whose optimum and noise are known; family.test.ts has what follows from optima. */
import { describe, expect, it } from "vitest";
import { currentCurves, familyOf } from "../../src/evidence/curves.ts";
import { curvesSchema, type Family } from "../../src/evidence/records.ts";
import { tolerances } from "../tolerances.ts";

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
  it("have the valley's optimum within their interval, and the lowest mean of a rate as their loss", () => {
    for (const points of [valley(-5.3, 2), valley(-5.3, 2).filter((_, index) => index % 2 === 0)]) {
      const [{ optimum }] = family(points).curves;
      expect(Math.abs((optimum?.log2_learning_rate ?? 0) + 5.3)).toBeLessThan(tolerances.optimumOctaves);
      expect(optimum?.low).toBeLessThan(-5.3);
      expect(optimum?.high).toBeGreaterThan(-5.3);
      expect(optimum?.edge).toBeNull();
    }
    expect(family(valley(-5.3, 2)).curves[0].optimum?.loss).toBeCloseTo(2 + 0.04 * 0.3 ** 2, 9);
  });
  it("have a wider interval where seeds disagree on the place", () => {
    const [left, right] = [valley(-6, 2, [0]), valley(-5, 2, [0])];
    const points = left.map((point, index) => ({ ...point, losses: [...point.losses, ...right[index].losses] }));
    const width = ({ optimum }: Family["curves"][number]): number => (optimum?.high ?? NaN) - (optimum?.low ?? NaN);
    const [apart, together] = [points, valley(-5.5, 2, [0, 0])].map((each) => width(family(each).curves[0]));
    expect(apart).toBeGreaterThan(2 * together);
  });
  it("say which end of the grid an optimum lies at", () => {
    expect(family(valley(-11, 2)).curves[0].optimum).toMatchObject({ edge: "low", log2_learning_rate: -10 });
    expect(family(valley(0, 2)).curves[0].optimum).toMatchObject({ edge: "high", log2_learning_rate: -2 });
  });
  it("claim nothing of noise with a single seed", () => {
    const { curves, verdict } = family(valley(-5, 2.1, [0]), valley(-5, 2, [0]));
    expect([curves[0].optimum, verdict]).toEqual([expect.objectContaining({ low: null, high: null }), "INCONCLUSIVE"]);
  });
  it("where everything diverges have no optimum", () => {
    const { curves, drift, gap, violations } = family(valley(-5, 2, [0, 0], -10), valley(-5, 2, [0, 0]));
    expect([curves[0].optimum, drift, gap, violations]).toEqual([null, null, null, []]);
    expect(family(valley(-5, 2, [0, 0], -6)).curves[0].optimum).toMatchObject({ edge: null });
  });
});

describe("curves of an older version", () => {
  it("are judged as today's are, from the same losses", () => {
    const { curves, parametrization } = family(valley(-5.3, 2.2), valley(-5.3, 2.1));
    const older = { version: 2, name: "older", spec_hash: "", axis: "width", seeds: [1, 2, 3] } as const;
    const parsed = curvesSchema.parse({ ...older, families: [{ parametrization, curves, drift: null, violations: [], gap: null }] });
    expect(currentCurves(parsed)).toEqual({
      ...older,
      version: 3,
      verdict: null,
      families: [family(valley(-5.3, 2.2), valley(-5.3, 2.1))],
    });
  });
  it("are refused when a size lacks a loss, of either version", () => {
    const good = family(valley(-5.3, 2.2), valley(-5.3, 2.1));
    const head = { name: "torn", spec_hash: "", axis: "width", seeds: [1, 2, 3] };
    const torn = (points: Points): Family => ({ ...good, curves: [good.curves[0], { ...good.curves[1], points }] });
    const whole = good.curves[1].points;
    for (const points of [[], whole.slice(1), whole.map((point, index) => (index === 3 ? { ...point, losses: [2] } : point))])
      for (const version of [{ version: 2 }, { version: 3, verdict: null }])
        expect(curvesSchema.safeParse({ ...version, ...head, families: [torn(points)] }).success).toBe(false);
    expect(curvesSchema.safeParse({ version: 3, verdict: null, ...head, families: [good] }).success).toBe(true);
  });
});
