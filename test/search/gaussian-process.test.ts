import { expect, it } from "vitest";
import { randomStream } from "../../src/rng.ts";
import { fittedLogs, GaussianProcess, sampleOf } from "../../src/search/gaussian-process.ts";
import { cholesky, inverseOf, solveLower, solveUpper } from "../../src/search/cholesky.ts";
import { logExpectedImprovement, normalCdf } from "../../src/search/normal.ts";
import { tolerances } from "../tolerances.ts";

it("a factored matrix is solved and inverted, and one that is not positive is refused", () => {
  const n = 5;
  const stream = randomStream(1, "matrix");
  const root = Array.from({ length: n }, () => Array.from({ length: n }, () => stream.normal()));
  const a = Float64Array.from({ length: n * n }, (_, index) => {
    const [i, j] = [Math.floor(index / n), index % n];
    return root[i].reduce((sum, value, k) => sum + value * root[j][k], i === j ? 1 : 0);
  });
  const l = cholesky(a, n) as Float64Array;
  const b = Float64Array.from({ length: n }, (_, index) => index + 1);
  const x = solveUpper(l, n, solveLower(l, n, b));
  const inverse = inverseOf(l, n);
  for (let i = 0; i < n; i++) {
    const row = (matrix: Float64Array): Float64Array => matrix.subarray(i * n, (i + 1) * n);
    const times = (matrix: Float64Array, vector: Float64Array): number => row(matrix).reduce((sum, value, k) => sum + value * vector[k], 0);
    expect(Math.abs(times(a, x) - b[i])).toBeLessThan(tolerances.smallSystem);
    expect(Math.abs(times(inverse, b) - x[i])).toBeLessThan(tolerances.smallSystem);
  }
  expect(cholesky(Float64Array.of(1, 2, 2, 1), 2)).toBeUndefined();
});

it("the normal distribution agrees with tables, far out as well", () => {
  for (const [z, p] of [
    [0, 0.5],
    [1.96, 0.9750021048517795],
    [-6, 9.865876450376981e-10],
  ])
    expect(Math.abs(normalCdf(z) / p - 1)).toBeLessThan(tolerances.normalFit);
  const values = [-40, -20, -9, -8.001, -7.999, -6, -1, 0, 3].map(logExpectedImprovement);
  expect(values).toEqual([...values].sort((a, b) => a - b));
});

it("a Gaussian process passes through its results, is least certain far away, and surer where its mean is taken for a result", () => {
  const x = Array.from({ length: 12 }, (_, index) => [index / 24]);
  const y = Float64Array.from(x, ([u]) => 1.5 * Math.sin(8 * u));
  const fitted = new GaussianProcess(x, y, [...x, [0.9], [1]]);
  x.forEach((_, index) => expect(Math.abs(fitted.means[index] - y[index])).toBeLessThan(0.1));
  const [inside, far, end] = [fitted.variances[5], fitted.variances[12], fitted.variances[13]];
  expect(far).toBeGreaterThan(20 * inside);
  const means = Float64Array.from(fitted.means);
  fitted.takeMeanForResult(12);
  expect(fitted.means).toEqual(means);
  expect(fitted.variances[12]).toBeLessThan(far / 10);
  expect(fitted.variances[13]).toBeLessThan(end / 2);
});

it("a Gaussian process smooths its results to its means where they are, and takes hyperparameters that were fitted before", () => {
  const stream = randomStream(1, "noisy");
  const x = Array.from({ length: 15 }, () => [stream.uniform(), stream.uniform()]);
  const y = Float64Array.from(x, ([u, v]) => 3 * (u - v) + 0.5 * stream.normal());
  const fitted = new GaussianProcess(x, y, x);
  fitted.smoothed.forEach((mean, index) => expect(Math.abs(mean - fitted.means[index])).toBeLessThan(tolerances.smallSystem));
  expect(Math.max(...y.map((value, index) => Math.abs(value - fitted.smoothed[index])))).toBeGreaterThan(0.01);
  expect(new GaussianProcess(x, y, x, fittedLogs(x, y)).variances).toEqual(fitted.variances);
  const others = new GaussianProcess(x, y, x, fittedLogs(x.slice(0, 3), y.subarray(0, 3)));
  expect(others.variances).not.toEqual(fitted.variances);
});

it("a sample has the first half of what is best, and reaches to the worst", () => {
  expect(sampleOf(5, 8)).toEqual([0, 1, 2, 3, 4]);
  expect(sampleOf(8, 8)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect(sampleOf(100, 8)).toEqual([0, 1, 2, 3, 4, 28, 52, 76]);
});
