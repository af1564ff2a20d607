/** Student's bounds against published tables. */
import { expect, it } from "vitest";
import { studentBound } from "../src/statistics.ts";

// Abramowitz and Stegun, table 26.10, to the digits that it has.
it.each([
  [0.05, 1, 6.314],
  [0.05, 2, 2.92],
  [0.05, 3, 2.353],
  [0.05, 10, 1.812],
  [0.025, 1, 12.706],
  [0.025, 4, 2.776],
  [0.005, 5, 4.032],
  [0.005, 60, 2.66],
  [0.0005, 2, 31.598],
  [0.0005, 7, 5.408],
])("a share of %f lies above t at %i degrees of freedom: %f", (tail, freedom, expected) =>
  expect(studentBound(tail, freedom)).toBeCloseTo(expected, 2),
);
it("comes to the normal distribution's with many", () => expect(studentBound(0.05, 10_000)).toBeCloseTo(1.645, 3));
