import { expect, it } from "vitest";
import { estimate, scalingPower } from "../../src/evidence/statistics.ts";
import { coordinateOf } from "../../src/evidence/verdict.ts";
import { tolerances } from "../tolerances.ts";

const place = { regime: "adam", tensor: "logits", statistic: "size", step: 1 } as const;
const sizes = [32, 64, 128, 256];

it("means are what they say", () => {
  expect(estimate([1, 3])).toEqual({ mean: 2, standardError: 1 });
});

it("the power of a power law is its exponent, and its error follows from the spread of the seeds at every size", () => {
  const law = (exponent: number) => sizes.map((size) => [3 * size ** exponent, 3 * size ** exponent]);
  const exact = scalingPower(sizes, law(-0.5));
  expect(Math.abs((exact?.mean ?? NaN) + 0.5)).toBeLessThan(tolerances.literal);
  expect(exact?.standardError).toBeLessThan(tolerances.literal);
  // Two seeds a factor of 4 apart at every size: each mean's error is 1 in log2, and Σ x² is 5.
  const spread = scalingPower(
    sizes,
    sizes.map(() => [0.5, 2]),
  );
  expect(Math.abs((spread?.standardError ?? NaN) - 1 / Math.sqrt(5))).toBeLessThan(tolerances.literal);
  expect(scalingPower(sizes, [[1], [1], [0], [1]])).toBeUndefined();
});

it("a coordinate is flat, doubtful or steep by its slope and two standard errors", () => {
  /** Seeds are `spread` octaves around a power law at every size: the slope's error is spread ÷ √5. */
  const verdict = (exponent: number, spread: number, of: Partial<typeof place> | { regime: "epsilon" } = {}): string =>
    coordinateOf(
      { ...place, ...of },
      sizes,
      sizes.map((size) => [size ** exponent * 2 ** spread, size ** exponent / 2 ** spread]),
    ).verdict;
  expect(verdict(0.2, 0)).toBe("PASS");
  expect(verdict(0.2, 0.1)).toBe("WARN");
  expect(verdict(-0.3, 0.1)).toBe("WARN");
  expect(verdict(-0.3, 0.01)).toBe("FAIL");
  expect(verdict(-0.5, 0.1)).toBe("FAIL");
  // Rules that show under an ε above the gradients go by whole powers.
  expect(verdict(0.4, 0, { regime: "epsilon" })).toBe("PASS");
  expect(verdict(0.6, 0, { regime: "epsilon" })).toBe("FAIL");
  expect(coordinateOf(place, sizes, [[0], [0], [0], [0]]).verdict).toBe("PASS");
  expect(coordinateOf(place, sizes, [[1], [1], [NaN], [1]])).toMatchObject({
    verdict: "INCONCLUSIVE",
    slope: null,
    means: [1, 1, null, 1],
  });
});
