import { expect, it } from "vitest";
import { attentionLogits, estimate, meanMagnitude, meanSquareChange, scalingPower } from "../../src/evidence/statistics.ts";
import { coordinateOf } from "../../src/evidence/verdict.ts";
import { tolerances } from "../tolerances.ts";

const place = { regime: "adam", tensor: "logits", statistic: "size", step: 1 } as const;
const sizes = [32, 64, 128, 256];

it("means are what they say", () => {
  expect(meanMagnitude(Float32Array.of(-3, 1))).toBe(2);
  expect(meanSquareChange(Float32Array.of(1, 2), Float32Array.of(4, 2))).toBe(4.5);
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

it("attention logits are q·k of the same head and of keys up to the query's own", () => {
  const model = { width: 4, headDim: 2, context: 2 };
  const query = Float32Array.of(1, 0, 0, 1, 2, 0, 0, 3);
  const key = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  // Head 0: rows (1,0) and (2,0) on keys (1,2), (5,6); head 1: rows (0,1) and (0,3) on keys (3,4), (7,8).
  expect([...attentionLogits(query, key, model)]).toEqual([1, 2, 10, 4, 12, 24]);
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
