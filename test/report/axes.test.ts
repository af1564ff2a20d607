/** Ticks of logarithmic axes: round values, as many as fit, whatever the range. */
import { expect, it } from "vitest";
import { logTicks } from "../../src/report/page/axes.ts";

it("are round values within the bounds", () => {
  expect(logTicks(0.0095, 0.105, 10)).toEqual([0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1]);
  expect(logTicks(0.0095, 0.105, 5)).toEqual([0.01, 0.02, 0.05, 0.1]);
  expect(logTicks(0.00095, 1.05, 7)).toEqual([0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1]);
  expect(logTicks(9e-11, 2, 4)).toEqual([1e-10, 1e-7, 1e-4, 0.1]);
});

it("are there also where a range holds hardly any", () => {
  for (const [low, high] of [
    [0.031, 0.033],
    [0.6, 1.6],
    [1e-8, 1.5e-8],
    [180, 950],
  ])
    for (const most of [3, 5, 10]) {
      const ticks = logTicks(low, high, most);
      expect(ticks.length, `${low} to ${high}`).toBeGreaterThanOrEqual(2);
      expect(ticks.length, `${low} to ${high}`).toBeLessThanOrEqual(most);
      expect(ticks.every((tick) => tick >= low * 0.999999 && tick <= high * 1.000001)).toBe(true);
    }
});
