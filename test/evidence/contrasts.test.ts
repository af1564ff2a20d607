/** Losses between the rates that were tried, and differences with their errors, on curves by formula. */
import { describe, expect, it } from "vitest";
import { boundsOf, chanceOf, difference, lossAt, type Reading } from "../../src/evidence/contrasts.ts";
import type { Family } from "../../src/evidence/records.ts";

type Points = Family["curves"][number]["points"];
const curve = (of: (x: number) => number, noise: readonly number[] = [-0.02, 0.02], diverges: readonly number[] = []): Points =>
  [-8, -7, -6, -5, -4].map((x) => ({
    learning_rate: 2 ** x,
    losses: noise.map((nats) => (diverges.includes(x) ? null : of(x) + nats)),
  }));
const valley = (x: number): number => 2 + 0.05 * (x + 5.7) ** 2;
const nothing = curve(() => 0);
const valueOf = (reading: Reading): number | undefined => difference(reading, lossAt(nothing, -8))?.nats;

describe("a loss between rates", () => {
  it.each([-7.6, -6.5, -5.7, -5, -4.1])("is a parabola's where the curve is one, at 2^%f", (x) =>
    expect(valueOf(lossAt(curve(valley), x))).toBeCloseTo(valley(x), 9),
  );
  it("has one parabola beside a rate at which models diverge, and a line between two", () => {
    expect(valueOf(lossAt(curve(valley, [0, 0], [-4]), -5.5))).toBeCloseTo(valley(-5.5), 9);
    expect(valueOf(lossAt(curve(valley, [0, 0], [-4, -7, -8]), -5.5))).toBeCloseTo((valley(-5) + valley(-6)) / 2, 9);
  });
  it("is not known beside a rate at which models diverge, and diverges between two", () => {
    expect(lossAt(curve(valley, [0, 0], [-4]), -4.5)).toBe("unknown");
    expect(lossAt(curve(valley, [0, 0], [-4]), -4)).toBe("diverges");
    expect(lossAt(curve(valley, [0, 0], [-4, -5]), -4.5)).toBe("diverges");
    expect(difference("unknown", lossAt(nothing, -5))).toBeNull();
  });
});

describe("a difference", () => {
  it("has the error of two means over seeds, their noise pooled with the neighbours'", () => {
    const contrast = difference(
      lossAt(curve(valley), -6),
      lossAt(
        curve((x) => valley(x) - 0.1),
        -6,
      ),
    );
    // Two seeds at ± 0.02 have a deviation of 0.02·√2; six points of two seeds, six degrees of freedom.
    expect(contrast?.nats).toBeCloseTo(0.1, 9);
    expect(contrast?.deviation).toBeCloseTo(0.02 * Math.SQRT2, 9);
    expect(contrast?.freedom).toBe(6);
    expect(contrast?.standardError).toBeCloseTo(0.02 * Math.SQRT2, 9);
    const [low, high] = (contrast && boundsOf(contrast, 0.05)) ?? [];
    expect([low, high]).toEqual([expect.closeTo(0.1 - 1.943 * 0.02 * Math.SQRT2, 4), expect.closeTo(0.1 + 1.943 * 0.02 * Math.SQRT2, 4)]);
    expect(contrast && chanceOf(contrast, 0.05)).toBeCloseTo(1.943 * 0.02 * Math.SQRT2, 4);
  });
  it("between two places of one curve has the less error the closer they are", () => {
    const points = curve(valley);
    const errorAt = (x: number): number => difference(lossAt(points, x), lossAt(points, -5.7))?.standardError ?? NaN;
    expect(errorAt(-5.7)).toBe(0);
    expect(errorAt(-5.6)).toBeGreaterThan(0);
    expect(errorAt(-5.2)).toBeGreaterThan(errorAt(-5.6));
  });
  it("has no error with a single seed", () => {
    const contrast = difference(lossAt(curve(valley, [0]), -6), lossAt(curve(valley, [0]), -5));
    expect(contrast).toMatchObject({ deviation: null, standardError: null });
    expect(contrast && [boundsOf(contrast, 0.05), chanceOf(contrast, 0.05)]).toEqual([null, null]);
  });
});
