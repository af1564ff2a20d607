import { expect, it } from "vitest";
import { estimate, scalingPower } from "../../src/evidence/statistics.ts";
import { coordinateOf } from "../../src/evidence/verdict.ts";
import { tolerances } from "../tolerances.ts";

const place = { regime: "adam", tensor: "logits", statistic: "size", step: 1 } as const;
const sizes = [32, 64, 128, 256];

it("means are what they say", () => {
  expect(estimate([1, 3])).toEqual({ mean: 2, standardError: 1 });
});

it("the power of a power law is its exponent, with the spread of the seeds as its error", () => {
  const law = (exponent: number) => sizes.map((size) => [3 * size ** exponent, 5 * size ** exponent]);
  const exact = scalingPower(sizes, law(-0.5));
  expect(Math.abs((exact?.mean ?? NaN) + 0.5)).toBeLessThan(tolerances.literal);
  expect(exact?.standardError).toBeLessThan(tolerances.literal);
  const spread = scalingPower(
    sizes,
    sizes.map((size) => [size ** 0.1, size ** 0.3]),
  );
  expect(Math.abs((spread?.standardError ?? NaN) - 0.1)).toBeLessThan(tolerances.literal);
  expect(scalingPower(sizes, [[1], [1], [0], [1]])).toBeUndefined();
});

it("a coordinate is flat, doubtful or steep by its slope and two standard errors", () => {
  const verdict = (...exponents: number[]): string =>
    coordinateOf(
      place,
      sizes,
      sizes.map((size) => exponents.map((exponent) => size ** exponent)),
    ).verdict;
  expect(verdict(0.09, 0.09)).toBe("PASS");
  expect(verdict(0.05, 0.15)).toBe("WARN");
  expect(verdict(-0.15, -0.15)).toBe("WARN");
  expect(verdict(-0.5, -0.45)).toBe("FAIL");
  expect(verdict(-0.5, 1)).toBe("WARN");
  expect(coordinateOf(place, sizes, [[0], [0], [0], [0]]).verdict).toBe("PASS");
  expect(coordinateOf(place, sizes, [[1], [1], [NaN], [1]])).toMatchObject({
    verdict: "INCONCLUSIVE",
    slope: null,
    means: [1, 1, null, 1],
  });
});
