/** The arithmetic of coordinate checks: with which powers statistics follow the size. */
import { mean, slopeOf, squaredDeviations } from "../statistics.ts";

/** A mean over seeds, and how sure it is. */
export interface Estimate {
  readonly mean: number;
  /** Standard error of the mean. */
  readonly standardError: number;
}

/** Mean of some values, and its standard error. */
export function estimate(values: readonly number[]): Estimate {
  const count = values.length;
  return { mean: mean(values), standardError: Math.sqrt(squaredDeviations(values) / (count - 1) / count) };
}

/**
 * Power with which a statistic follows the size: one slope of log2 statistic over log2 size for each seed, and from
 * them mean and standard error. `values` are per size, then per seed. Undefined when a value is zero or not finite.
 */
export function scalingPower(sizes: readonly number[], values: readonly (readonly number[])[]): Estimate | undefined {
  if (values.flat().some((value) => !(value > 0 && value < Infinity))) return undefined;
  const log = sizes.map(Math.log2);
  const slopes = values[0].map((_, seed) =>
    slopeOf(
      log,
      values.map((perSeed) => Math.log2(perSeed[seed])),
    ),
  );
  return estimate(slopes);
}
