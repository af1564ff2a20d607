import { describe, expect, it } from "vitest";
import { checkWidths, objections, predictLoss } from "../../src/evidence/prediction.ts";

const noiseOf = (deviationNats: number): { deviationNats: number; freedom: number } => ({ deviationNats, freedom: 8 });
/** Student's t within which 95 % lie, with 8 degrees of freedom; from a table. */
const t8 = 2.306;

describe("the prediction of the target's loss", () => {
  const law = (width: number): number => 1.7 + 5 * width ** -0.7;
  const points = [16, 32, 128].map((width) => ({ width, validationLoss: law(width) }));

  it("is the power law's, when losses follow one", () => {
    const { validationLoss, low, high, exponent } = predictLoss(points, 512, noiseOf(0.001));
    expect(exponent).toBeCloseTo(0.7, 1);
    expect(validationLoss).toBeCloseTo(law(512), 3);
    expect(low).toBeLessThanOrEqual(validationLoss);
    expect(high).toBeGreaterThanOrEqual(validationLoss);
  });
  it("has a range that grows with the seeds' noise", () => {
    const rangeOf = (deviation: number): number => {
      const { low, high } = predictLoss(points, 512, noiseOf(deviation));
      return high - low;
    };
    expect(rangeOf(0.02)).toBeGreaterThan(2 * rangeOf(0.002));
  });
  it("is never below what a step would give, and no improvement where wider was worse", () => {
    const flat = predictLoss(
      [
        { width: 16, validationLoss: 2 },
        { width: 64, validationLoss: 2.1 },
      ],
      256,
      noiseOf(0.01),
    );
    expect(flat.validationLoss).toBeCloseTo(2.05, 12);
    // The fit misses each point by 0.05, which is more than the seeds' noise.
    expect(flat.high - flat.validationLoss).toBeCloseTo(Math.hypot(0.05, 0.05) * Math.sqrt(1.5), 12);
    expect(flat.validationLoss - flat.low).toBeCloseTo(flat.high - flat.validationLoss, 12);
    expect(flat.exponent).toBeNull();
  });
  it("has at least the noise of its points and of the target in its range", () => {
    const constant = [16, 32, 64].map((width) => ({ width, validationLoss: 2 }));
    const { validationLoss, low, high } = predictLoss(constant, 256, noiseOf(0.01));
    expect([validationLoss - low, high - validationLoss].map((each) => each / (0.01 * Math.sqrt(4 / 3)))).toEqual([
      expect.closeTo(t8, 1),
      expect.closeTo(t8, 1),
    ]);
  });
  it("from two widths is the middle of what all exponents say, whatever rounding prefers", () => {
    const at = (wide: number): number =>
      predictLoss(
        [
          { width: 8, validationLoss: 3.2 },
          { width: 16, validationLoss: wide },
        ],
        40,
        noiseOf(0.01),
      ).validationLoss;
    expect(at(2.9)).toBeLessThan(at(2.91));
    expect(at(2.97)).toBeLessThan(at(3));
  });
});

describe("objections to a launch", () => {
  const sound = { width: 64, proxy: 2, half: 1.95, winner: 1.9, twice: 1.97 };
  it("are none when the winner holds up, or is beaten by no more than the noise", () => {
    expect(objections(sound, noiseOf(0.01))).toEqual([]);
    expect(objections({ ...sound, half: 1.88 }, noiseOf(0.01))).toEqual([]);
    expect(objections({ ...sound, twice: null }, undefined)).toEqual([]);
  });
  it.each([
    [{ winner: null }, /diverges/],
    [{ half: 1.8 }, /half the winner's/],
    [{ twice: 1.8 }, /twice the winner's/],
    [{ proxy: 1.8 }, /worse than the proxy/],
  ])("name what is wrong: %j", (change, message) => {
    expect(objections({ ...sound, ...change }, noiseOf(0.01))).toEqual([expect.stringMatching(message)]);
  });
});

it("widths that are checked can be built from whole heads", () => {
  const multiplesOf =
    (step: number) =>
    (width: number): boolean =>
      width % step === 0;
  expect(checkWidths(32, 512, multiplesOf(16))).toEqual({ below: 16, between: 128 });
  expect(checkWidths(16, 256, multiplesOf(16))).toEqual({ below: undefined, between: 64 });
  expect(checkWidths(48, 480, multiplesOf(16)).between % 16).toBe(0);
  // Not every multiple need be a width.
  expect(checkWidths(20, 120, (width) => width % 10 === 0 && width !== 50).between).toBe(40);
});
