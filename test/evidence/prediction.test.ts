import { describe, expect, it } from "vitest";
import { checkWidths, objections, predictLoss } from "../../src/evidence/prediction.ts";

describe("the prediction of the target's loss", () => {
  const law = (width: number): number => 1.7 + 5 * width ** -0.7;
  const points = [16, 32, 128].map((width) => ({ width, lossNats: law(width) }));

  it("is the power law's, when losses follow one", () => {
    const { lossNats, lowNats, highNats, exponent } = predictLoss(points, 512, 0.001);
    expect(exponent).toBeCloseTo(0.7, 1);
    expect(lossNats).toBeCloseTo(law(512), 3);
    expect(lowNats).toBeLessThanOrEqual(lossNats);
    expect(highNats).toBeGreaterThanOrEqual(lossNats);
  });
  it("has a range that grows with the seeds' noise", () => {
    const rangeOf = (deviation: number): number => {
      const { lowNats, highNats } = predictLoss(points, 512, deviation);
      return highNats - lowNats;
    };
    expect(rangeOf(0.02)).toBeGreaterThan(2 * rangeOf(0.002));
  });
  it("is never below what a step would give, and no improvement where wider was worse", () => {
    const flat = predictLoss(
      [
        { width: 16, lossNats: 2 },
        { width: 64, lossNats: 2.1 },
      ],
      256,
      0.01,
    );
    expect(flat.lossNats).toBeCloseTo(2.05, 12);
    // Two points and a target, each with its seed's noise.
    expect(flat.highNats - flat.lossNats).toBeCloseTo(2 * 0.01 * Math.sqrt(1.5), 12);
    expect(flat.lossNats - flat.lowNats).toBeCloseTo(2 * 0.01 * Math.sqrt(1.5), 12);
  });
});

describe("objections to a launch", () => {
  const sound = { width: 64, proxyNats: 2, halfNats: 1.95, winnerNats: 1.9, twiceNats: 1.97 };
  it("are none when the winner holds up, or is beaten by no more than the noise", () => {
    expect(objections(sound, 0.01)).toEqual([]);
    expect(objections({ ...sound, halfNats: 1.88 }, 0.01)).toEqual([]);
    expect(objections({ ...sound, twiceNats: null }, null)).toEqual([]);
  });
  it.each([
    [{ winnerNats: null }, /diverges/],
    [{ halfNats: 1.8 }, /half the winner's/],
    [{ twiceNats: 1.8 }, /twice the winner's/],
    [{ proxyNats: 1.8 }, /worse than the proxy/],
  ])("name what is wrong: %j", (change, message) => {
    expect(objections({ ...sound, ...change }, 0.01)).toEqual([expect.stringMatching(message)]);
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
});
