/** Least squares with a few features. Numbers only. */
import { cholesky, solveLower, solveUpper } from "./cholesky.ts";

/** Coefficients of the least-squares fit of `values` by `features`; undefined when they cannot be told apart. */
export function leastSquares(features: readonly (readonly number[])[], values: readonly number[]): Float64Array | undefined {
  const size = features[0].length;
  const matrix = new Float64Array(size * size);
  const right = new Float64Array(size);
  features.forEach((row, index) => {
    for (let i = 0; i < size; i++) {
      right[i] += row[i] * values[index];
      for (let j = 0; j < size; j++) matrix[i * size + j] += row[i] * row[j];
    }
  });
  // So little that it only decides what the data leave open.
  for (let i = 0; i < size; i++) matrix[i * size + i] += 1e-9 * features.length;
  const lower = cholesky(matrix, size);
  return lower && solveUpper(lower, size, solveLower(lower, size, right));
}
