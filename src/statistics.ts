/** The few statistics that several areas share. Numbers only. */

export const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** The lowest of as many values as there may be: more than a call takes arguments. Infinity of none. */
export const lowest = (values: readonly number[]): number => values.reduce((least, value) => Math.min(least, value), Infinity);

/** The highest of as many values as there may be; −Infinity of none. */
export const highest = (values: readonly number[]): number => -lowest(values.map((value) => -value));

/** Σ (value − mean)². */
export function squaredDeviations(values: readonly number[]): number {
  const center = mean(values);
  return values.reduce((sum, value) => sum + (value - center) ** 2, 0);
}

/** The value below which `share` (0 to 1) of the ascending values lie; the nearest of them, never between two. */
export const quantile = (sorted: readonly number[], share: number): number => sorted[Math.round(share * (sorted.length - 1))];

/** Values less their mean, in their standard deviations; zeros where they are all the same. */
export function standardized(values: Float64Array): Float64Array {
  const center = values.reduce((sum, value) => sum + value, 0) / values.length;
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - center) ** 2, 0) / values.length);
  return values.map((value) => (deviation > 0 ? (value - center) / deviation : 0));
}

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

/** Share of Student's distribution within ± t, by θ = arctan(t / √freedom). */
function shareWithin(angle: number, freedom: number): number {
  const isOdd = freedom % 2 === 1;
  const cosine = Math.cos(angle);
  let term = isOdd ? cosine : 1;
  let sum = freedom === 1 ? 0 : term;
  for (let power = isOdd ? 3 : 2; power < freedom - 1; power += 2) {
    term *= ((power - 1) / power) * cosine ** 2;
    sum += term;
  }
  return isOdd ? (2 / Math.PI) * (angle + Math.sin(angle) * sum) : Math.sin(angle) * sum;
}

/** The t above which a share `tail` (below ½) of Student's distribution with `freedom` (whole, at least 1) degrees of freedom lies, exactly. Source: Abramowitz and Stegun 26.7.3 and 26.7.4. */
export function studentBound(tail: number, freedom: number): number {
  let [low, high] = [0, Math.PI / 2];
  for (let halving = 0; halving < 60; halving++) {
    const middle = (low + high) / 2;
    if ((1 - shareWithin(middle, freedom)) / 2 > tail) low = middle;
    else high = middle;
  }
  return Math.sqrt(freedom) * Math.tan((low + high) / 2);
}

/** `count` of the items, evenly over their order, the first and the last among them. */
export function thinned<T>(items: readonly T[], count: number): readonly T[] {
  if (items.length <= count) return items;
  return Array.from({ length: count }, (_, index) => items[Math.round((index * (items.length - 1)) / (count - 1))]);
}

/** A single seed's standard deviation where no seeds tell it, in nats: about what models of a hundred thousand parameters show. */
export const assumedDeviationNats = 0.02;
