import { describe, expect, it } from "vitest";
import { maxDimensions, sobolSequence } from "../../src/search/sobol.ts";

describe("scrambled Sobol points", () => {
  const size = 64;
  const at = sobolSequence(maxDimensions, 5);
  const points = Array.from({ length: size }, (_, index) => at(index));

  it("put exactly one point into each of the 2^m equal parts of every dimension", () => {
    for (let dimension = 0; dimension < maxDimensions; dimension++)
      expect(new Set(points.map((point) => Math.floor(point[dimension] * size))).size).toBe(size);
  });

  it("put exactly one point into each elementary box of the first two dimensions", () => {
    for (const [across, down] of [
      [8, 8],
      [4, 16],
      [32, 2],
    ])
      expect(new Set(points.map(([a, b]) => `${Math.floor(a * across)} ${Math.floor(b * down)}`)).size).toBe(size);
  });

  it("differ from seed to seed", () => {
    expect(sobolSequence(3, 6)(0)).not.toEqual(sobolSequence(3, 5)(0));
  });

  it("integrate a smooth function far better than independent draws do", () => {
    const errors = Array.from({ length: 50 }, (_, seed) => {
      const sequence = sobolSequence(4, seed);
      const mean =
        Array.from({ length: 256 }, (__, index) => sequence(index).reduce((product, u) => product * (0.5 + u), 1)).reduce((a, b) => a + b) /
        256;
      return (mean - 1) ** 2;
    });
    // Independent draws: a variance of ((13/12)^4 − 1)/256 = 1.5e-3, whose root is 0.038.
    expect(Math.sqrt(errors.reduce((a, b) => a + b) / errors.length)).toBeLessThan(0.038 / 5);
  });
});
