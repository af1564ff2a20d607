/** The few statistics that several areas share. Numbers only. */

export const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** The lowest of as many values as there may be: more than a call takes arguments. Infinity of none. */
export const lowest = (values: readonly number[]): number => values.reduce((least, value) => Math.min(least, value), Infinity);

/** Σ (value − mean)². */
export function squaredDeviations(values: readonly number[]): number {
  const center = mean(values);
  return values.reduce((sum, value) => sum + (value - center) ** 2, 0);
}

/** The value below which `share` (0 to 1) of the ascending values lie; the nearest of them, never between two. */
export const quantile = (sorted: readonly number[], share: number): number => sorted[Math.round(share * (sorted.length - 1))];

/** Least-squares slope of y over x. */
export function slopeOf(x: readonly number[], y: readonly number[]): number {
  const [meanX, meanY] = [mean(x), mean(y)];
  return x.reduce((sum, value, index) => sum + (value - meanX) * (y[index] - meanY), 0) / squaredDeviations(x);
}

/** Standard deviation of one value within its group, pooled over groups; null when no group has two values. */
export function pooledDeviation(groups: readonly (readonly number[])[]): number | null {
  const freedom = groups.reduce((sum, { length }) => sum + Math.max(0, length - 1), 0);
  return freedom === 0
    ? null
    : Math.sqrt(groups.reduce((sum, group) => sum + (group.length === 0 ? 0 : squaredDeviations(group)), 0) / freedom);
}

/** Student's t within which 95 % of estimates with `freedom` degrees of freedom lie; 2 % low at 4 of them, 44 % at 1. Abramowitz and Stegun 26.7.5. */
export function tBound(freedom: number): number {
  const z = 1.959964;
  return z + (z ** 3 + z) / (4 * freedom) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * freedom ** 2);
}

/** `count` of the items, evenly over their order, the first and the last among them. */
export function thinned<T>(items: readonly T[], count: number): readonly T[] {
  if (items.length <= count) return items;
  return Array.from({ length: count }, (_, index) => items[Math.round((index * (items.length - 1)) / (count - 1))]);
}
