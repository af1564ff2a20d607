import { describe, expect, it } from "vitest";
import { judgeTarget, type TargetEnd } from "../../src/evidence/target.ts";
import type { CurvePoint, Outcome } from "../../src/training/outcome.ts";
import { assumedDeviationNats } from "../../src/statistics.ts";

/** A curve of so many evaluations. */
const curveOf = (...losses: readonly (readonly [training: number | null, validation: number])[]): readonly CurvePoint[] =>
  losses.map(([trainingLoss, validationLoss], index) => ({ step: 100 * index, trainingLoss, validationLoss }));
const ended = (loss: number, change: Partial<Outcome> = {}): Outcome => ({
  ...{ status: "completed", validationLoss: loss, curve: curveOf([null, 4], [3, 3], [2.4, loss]), steps: 200 },
  ...change,
});
const sound: TargetEnd = {
  outcome: ended(2.4),
  isLarger: true,
  proxyLoss: 2.5,
  proxySeeds: 3,
  noise: { deviationNats: 0.01, freedom: 8 },
  parametrization: "mup",
  passes: 0.5,
  hasParted: false,
  rate: { word: "learning rate", value: 0.01 },
  highestRate: 0.02,
  between: { width: 64, half: 2.5, winner: 2.45 },
};

describe("a target", () => {
  it("holds when it is no worse than the proxy, and has nothing to blame unless it is above it", () => {
    expect(judgeTarget({ ...sound, parametrization: "sp" })).toMatchObject({ word: "holds", reasons: [], isCompared: true });
    expect(judgeTarget({ ...sound, outcome: ended(2.52), parametrization: "sp" })).toMatchObject({
      word: "holds",
      reasons: [expect.stringContaining("parametrization sp")],
    });
  });
  it("is worse beyond what its seed and the proxy's explain", () => {
    // Student's t that is passed in 1 of 20 cases, with 8 degrees of freedom, from a table: 1.860.
    const { marginNats } = judgeTarget(sound);
    expect(marginNats).toBeCloseTo(1.86 * 0.01 * Math.sqrt(4 / 3), 3);
    for (const [above, word] of [
      [0.99, "holds"],
      [1.01, "worse"],
    ] as const)
      expect(judgeTarget({ ...sound, outcome: ended(2.5 + above * marginNats) }).word).toBe(word);
  });
  it("is given what a seed is assumed to change where no seeds tell", () =>
    expect(judgeTarget({ ...sound, noise: undefined, proxySeeds: 1 }).marginNats).toBeCloseTo(2 * assumedDeviationNats * Math.SQRT2, 12));
  it("of the proxy's own size is compared with nothing", () =>
    expect(judgeTarget({ ...sound, isLarger: false, outcome: ended(3) })).toMatchObject({ word: "holds", reasons: [] }));
  it.each(["untrained", "diverged"] as const)("that is %s is called so, whatever its size", (status) => {
    const outcome = ended(4, { status, ...(status === "diverged" && { validationLoss: null }) });
    expect(judgeTarget({ ...sound, outcome }).word).toBe(status);
    expect(judgeTarget({ ...sound, outcome, isLarger: false }).word).toBe(status);
  });
});

describe("what may be to blame", () => {
  const blamed = (change: Partial<TargetEnd>): readonly string[] => judgeTarget({ ...sound, outcome: ended(2.7), ...change }).reasons;
  it("is nothing that does not apply", () => expect(blamed({})).toEqual([]));
  it.each<[string, Partial<TargetEnd>, RegExp]>([
    ["the standard parametrization", { parametrization: "sp" }, /parametrization sp/],
    ["a text that is read over and over, when losses part", { passes: 12.3, hasParted: true }, /overfitting: it read its text 12 times/],
    [
      "the same, when validation rises while training falls",
      { passes: 3, outcome: ended(2.7, { curve: curveOf([null, 4], [3, 2.6], [2.4, 2.7]) }) },
      /3\.0 times over/,
    ],
    ["a rate that is beaten by its half", { between: { width: 64, half: 2.4, winner: 2.45 } }, /at width 64 half .* better by 0\.0500/],
    ["a rate beyond the sweep's interval", { highestRate: 0.008 }, /0\.01 is beyond .* ends at 0\.008/],
  ])("is %s", (_, change, message) => expect(blamed(change)).toEqual([expect.stringMatching(message)]));
  it("is no text that is read once, and no difference that seeds explain", () => {
    expect(blamed({ passes: 0.9, hasParted: true })).toEqual([]);
    expect(blamed({ between: { width: 64, half: 2.44, winner: 2.45 } })).toEqual([]);
    expect(blamed({ between: undefined, highestRate: null })).toEqual([]);
  });
  it("is everything that applies", () => {
    expect(blamed({ parametrization: "sp", passes: 9, hasParted: true, highestRate: 0.001 })).toHaveLength(3);
    expect(blamed({ parametrization: "sp", isLarger: false, outcome: ended(4, { status: "untrained" }) })).toEqual([]);
  });
});
