import { describe, expect, it } from "vitest";
import { biasCorrections, scheduleFactor, type Schedule } from "../../src/program/schedule.ts";

const cosine: Schedule = { name: "cosine", warmup: 0.1, final: 0.2 };

describe("scheduleFactor", () => {
  it("rises linearly, peaks at the end of warm-up and reaches its final factor at the last step", () => {
    expect(scheduleFactor(cosine, 1, 100)).toBeCloseTo(0.1, 12);
    expect(scheduleFactor(cosine, 10, 100)).toBe(1);
    expect(scheduleFactor(cosine, 55, 100)).toBeCloseTo(0.6, 12);
    expect(scheduleFactor(cosine, 100, 100)).toBeCloseTo(0.2, 12);
    expect(scheduleFactor({ ...cosine, name: "linear" }, 55, 100)).toBeCloseTo(0.6, 12);
    expect(scheduleFactor({ ...cosine, name: "constant" }, 100, 100)).toBe(1);
  });

  it("warms up for the nearest whole number of steps", () => {
    expect(scheduleFactor({ name: "linear", warmup: 0.28, final: 0 }, 1, 10)).toBeCloseTo(1 / 3, 12);
  });

  it("stays a factor in [0, 1] at every step, whatever the warm-up", () => {
    for (const name of ["constant", "linear", "cosine"] as const)
      for (const warmup of [0, 0.33, 1])
        for (const steps of [1, 2, 7])
          for (let step = 1; step <= steps; step++) {
            const factor = scheduleFactor({ name, warmup, final: 0 }, step, steps);
            expect(factor >= 0 && factor <= 1, `${name} ${warmup} ${step}/${steps}: ${factor}`).toBe(true);
          }
  });
});

describe("biasCorrections", () => {
  it("makes the first step's moments the gradient and its square", () => {
    // After one step from zero the decayed sums are g and g².
    expect(biasCorrections(0.9, 0.95, 1)).toEqual({ first: 1, second: 1 });
  });

  it("tends to 1 − β", () => {
    const { first, second } = biasCorrections(0.9, 0.95, 5000);
    expect([first, second]).toEqual([1 - 0.9, 1 - 0.95]);
  });
});
