/** What a family's curves say of transfer, on valleys whose optima, intervals and noise are given. */
import { describe, expect, it } from "vitest";
import { judgementOf } from "../../src/evidence/family.ts";
import type { Family, Optimum } from "../../src/evidence/records.ts";
import { randomStream } from "../../src/rng.ts";

type Curve = Family["curves"][number];
type Noise = (seed: number) => number;
const exponents = [-10, -9, -8, -7, -6, -5, -4, -3, -2];

interface Valley {
  readonly center: number;
  readonly floor: number;
  readonly seeds?: number;
  readonly noise?: Noise;
  /** Lowest log2 rate at which models diverge. */
  readonly diverges?: number;
  readonly optimum?: Partial<Optimum> | null;
}
const spread: Noise = (seed) => 0.01 * (seed - 1);
/** A parabola in log2 of the rate with its optimum as it is, known to a tenth of an octave. */
const curveOf = ({ center, floor, seeds = 3, noise = spread, diverges = Infinity, optimum = {} }: Valley, index: number): Curve => ({
  size: 32 * 2 ** index,
  points: exponents.map((exponent) => ({
    learning_rate: 2 ** exponent,
    losses: Array.from({ length: seeds }, (_, seed) =>
      exponent >= diverges ? null : floor + 0.04 * (exponent - center) ** 2 + noise(seed),
    ),
  })),
  optimum: optimum && { log2_learning_rate: center, low: center - 0.1, high: center + 0.1, loss: floor, edge: null, ...optimum },
});
const judged = (...valleys: readonly Valley[]): ReturnType<typeof judgementOf> => judgementOf(valleys.map(curveOf));
const steady = [2.2, 2.1, 2].map((floor): Valley => ({ center: -5.3, floor }));

describe("a family", () => {
  it("transfers where the optimum stays, wider is better and the rate suffices", () => {
    const { verdict, optimum_stays, larger_is_better, smallest_rate_suffices, missing, violations } = judged(...steady);
    expect([verdict, optimum_stays, larger_is_better, smallest_rate_suffices]).toEqual(["TRANSFERS", true, true, true]);
    expect([missing, violations]).toEqual([[], []]);
  });
  it("transfers although wider is worse beyond the optimum, where nobody trains", () => {
    const cliff = steady.map((valley, index) => curveOf(valley, index));
    const worse = cliff.map((curve, index) => ({
      ...curve,
      points: curve.points.map(({ learning_rate: rate, losses }) => ({
        learning_rate: rate,
        losses: losses.map((loss) => loss && loss + (rate > 2 ** -4.5 ? index : 0)),
      })),
    }));
    expect(judgementOf(worse).verdict).toBe("TRANSFERS");
  });
  it("does not transfer where wider is worse, however still the optimum is", () => {
    const { verdict, drift, gap, violations, larger_is_better } = judged(
      ...[2, 2.1, 2.2].map((floor): Valley => ({ center: -5.3, floor })),
    );
    expect([drift?.per_doubling, gap?.nats]).toEqual([expect.closeTo(0, 9), expect.closeTo(0, 9)]);
    expect([verdict, larger_is_better]).toEqual(["DOES_NOT_TRANSFER", false]);
    // Any two at their best, and neighbours at each of the five rates up to there.
    expect(violations).toHaveLength(3 + 2 * 5);
    expect(violations[0]).toMatchObject({ learning_rate: null, smaller: 32, larger: 64, nats: expect.closeTo(0.1, 9) as number });
    expect(violations.at(-1)).toMatchObject({ learning_rate: 2 ** -6, smaller: 64, larger: 128 });
  });
  it("does not transfer where it gets worse in steps of which none is clear", () => {
    const { verdict, violations } = judged(...[2, 2.015, 2.03, 2.045].map((floor): Valley => ({ center: -5.3, floor })));
    expect(violations.map(({ smaller, larger }) => larger / smaller)).not.toContain(2);
    expect(violations.map(({ smaller, larger }) => [smaller, larger])).toContainEqual([32, 256]);
    expect(verdict).toBe("DOES_NOT_TRANSFER");
  });
  it("does not transfer where the optimum moves, although wider is better", () => {
    const { verdict, optimum_stays, larger_is_better, smallest_rate_suffices, gap } = judged(
      ...[2.4, 2.2, 2].map((floor, index): Valley => ({ center: -5 - index, floor })),
    );
    expect([verdict, optimum_stays, larger_is_better, smallest_rate_suffices]).toEqual(["DOES_NOT_TRANSFER", false, true, false]);
    expect(gap?.nats).toBeCloseTo(0.04 * 4, 9);
  });
  it("does not transfer where the smallest's rate diverges at the largest", () => {
    const { gap, smallest_rate_suffices } = judged(...steady.slice(0, 2), { center: -7, floor: 2, diverges: -6 });
    expect([gap, smallest_rate_suffices]).toEqual([{ nats: null, low: null, high: null, seed_noise: null }, false]);
  });
});

describe("a drift", () => {
  it("has an interval that adds up from those of the optima, each to its own side", () => {
    const optimum = { low: -5.4, high: -5.1 };
    const { drift } = judged(...steady.map((valley) => ({ ...valley, optimum })));
    // Weights −½, 0 and ½ per doubling: the lower end comes from the first one's upper and the last one's lower.
    expect(drift?.per_doubling).toBeCloseTo(0, 9);
    expect(drift?.low).toBeCloseTo(-Math.hypot(0.5 * 0.2, 0.5 * 0.1), 9);
    expect(drift?.high).toBeCloseTo(Math.hypot(0.5 * 0.1, 0.5 * 0.2), 9);
  });
  it("is no number where an optimum may lie beyond the grid, but bounded on the side that is known", () => {
    const { drift, verdict, missing } = judged(...steady.slice(0, 2), { center: -10, floor: 1.9, optimum: { edge: "low" } });
    expect(drift).toMatchObject({ per_doubling: null, low: null });
    expect(drift?.high).toBeLessThan(-2);
    expect(verdict).toBe("DOES_NOT_TRANSFER");
    expect(missing).toEqual([]);
  });
  it.each([
    ["the low", { high: -4.7 }, -0.25],
    ["the high", { low: -5.9 }, 0.25],
  ])("is not judged where %s end of the interval alone lies beyond a quarter of an octave", (_, optimum, beyond) => {
    const { verdict, drift, optimum_stays, missing } = judged({ ...steady[0], optimum }, ...steady.slice(1));
    const ends = [drift?.low ?? NaN, drift?.high ?? NaN];
    expect(ends.filter((end) => Math.abs(end) > 0.25).map((end) => 0.25 * Math.sign(end))).toEqual([beyond]);
    expect([verdict, optimum_stays, missing]).toEqual(["INCONCLUSIVE", null, ["seeds"]]);
  });
});

describe("a difference that one seed may make or may not", () => {
  it("leaves open whether wider is better", () => {
    const { verdict, larger_is_better, growth, violations, missing } = judged({ center: -5.3, floor: 2 }, { center: -5.3, floor: 2.012 });
    const { low, high, seed_noise: noise } = growth ?? {};
    expect([low, high, noise].every((each) => typeof each === "number")).toBe(true);
    expect((low ?? NaN) < (noise ?? NaN) && (high ?? NaN) > (noise ?? NaN)).toBe(true);
    expect([verdict, larger_is_better, violations, missing]).toEqual(["INCONCLUSIVE", null, [], ["seeds"]]);
  });
  it("leaves open whether the smallest's rate suffices", () => {
    const { verdict, optimum_stays, larger_is_better, smallest_rate_suffices, gap, missing } = judged(
      ...[0, 1, 2, 3, 4].map((index): Valley => ({ center: -5 - 0.18 * index, floor: 2.3 - 0.1 * index })),
    );
    expect([gap?.nats, gap?.seed_noise]).toEqual([expect.closeTo(0.04 * 0.72 ** 2, 9), expect.closeTo(0.0186, 3)]);
    expect([verdict, optimum_stays, larger_is_better, smallest_rate_suffices]).toEqual(["INCONCLUSIVE", true, true, null]);
    expect(missing).toEqual(["seeds"]);
  });
});

describe("what is missing", () => {
  const missingOf = (...valleys: readonly Valley[]): readonly string[] => {
    const { verdict, missing } = judged(...valleys);
    expect(verdict).toBe("INCONCLUSIVE");
    return missing;
  };
  it("is a second size where there is one, whose figures are given all the same", () => {
    const { verdict, missing, drift, growth, gap, places } = judged(steady[0]);
    expect([verdict, missing, drift, growth, gap, places]).toEqual(["INCONCLUSIVE", ["sizes"], null, null, null, 0]);
  });
  it("is seeds where there is one, whatever it did", () => {
    const alone = steady.map((valley) => ({ ...valley, seeds: 1 }));
    expect(missingOf(...alone)).toEqual(["seeds"]);
    expect(missingOf(...alone.slice(0, 2), { center: -7, floor: 2, seeds: 1, diverges: -6 })).toEqual(["seeds"]);
  });
  it("is rates beyond the edge of the grid that an optimum lies at, or that everything diverges above", () => {
    const at = (edge: "low" | "high"): Valley => ({ center: -5.3, floor: 1.9, optimum: { edge } });
    expect(missingOf(steady[0], at("low"))).toEqual(["lower_rates"]);
    expect(missingOf(steady[0], at("high"))).toEqual(["higher_rates"]);
    expect(missingOf({ ...steady[0], diverges: -10, optimum: null }, steady[1])).toEqual(["lower_rates", "higher_rates"]);
  });
  it("is a finer grid and seeds where an optimum is open within it", () => {
    expect(missingOf(steady[0], { ...steady[1], optimum: { low: null } })).toEqual(["finer_grid", "seeds"]);
    expect(missingOf(steady[0], { ...steady[1], diverges: -5, optimum: { log2_learning_rate: -6 } })).toEqual(["finer_grid", "seeds"]);
  });
});

describe("chance", () => {
  /** Four sizes that are equally good, and seeds that make what they make. */
  const chances = randomStream(1, "families");
  const normal = (): number => chances.normal();
  const verdicts = Array.from({ length: 200 }, () =>
    judged(...exponents.slice(0, 4).map((): Valley => ({ center: -5.3, floor: 2, noise: () => 0.015 * normal() }))),
  );
  it("makes wider look worse somewhere in one family of twenty, however many places there are", () => {
    expect(verdicts[0].places).toBe(6 + 3 * 5);
    expect(verdicts.filter(({ violations }) => violations.length > 0).length).toBeLessThanOrEqual(2 * (0.05 * verdicts.length));
  });
});
