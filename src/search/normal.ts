/** The standard normal distribution. */

/**
 * Probability of less than `z`, to a relative error of 2e-7 also far out in the tail.
 * Source: the rational Chebyshev fit of erfc in Press et al., "Numerical Recipes", 2nd ed., §6.2.
 */
export function normalCdf(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + x / 2);
  const coefficients = [
    0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368, -1.26551223,
  ];
  const exponent = coefficients.reduce((sum, coefficient) => sum * t + coefficient, 0);
  const tail = (t * Math.exp(exponent - x * x)) / 2;
  return z < 0 ? tail : 1 - tail;
}

/** Logarithm of the density. */
export const logNormalDensity = (z: number): number => -(z * z) / 2 - Math.log(2 * Math.PI) / 2;

/**
 * Logarithm of the expected improvement, in units of the standard deviation, of a normal variable whose mean
 * is `z` standard deviations better than the best. Source: Ament et al., "Unexpected Improvements to Expected
 * Improvement for Bayesian Optimization" (2023): finite where the improvement itself underflows.
 */
export function logExpectedImprovement(z: number): number {
  // Far out, where the difference below cancels: the asymptotic series φ(z)/z² · (1 − 3/z² + 15/z⁴ − …).
  if (z < -8) return logNormalDensity(z) - 2 * Math.log(-z) + Math.log1p(-3 / z ** 2 + 15 / z ** 4);
  return Math.log(Math.exp(logNormalDensity(z)) + z * normalCdf(z));
}
