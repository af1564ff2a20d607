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
 * Power with which a statistic follows the size: the slope of the seeds' mean log2 statistic over log2 size, whose error
 * follows from the spread of the seeds at every size. `values` are per size, then per seed. Undefined when a value is
 * zero or not finite.
 */
export function scalingPower(sizes: readonly number[], values: readonly (readonly number[])[]): Estimate | undefined {
  if (values.flat().some((value) => !(value > 0 && value < Infinity))) return undefined;
  const x = sizes.map(Math.log2);
  const logs = values.map((perSeed) => estimate(perSeed.map(Math.log2)));
  const [center, spread] = [mean(x), squaredDeviations(x)];
  // Seeds of different sizes share no weights, so that the errors of the sizes' means are independent.
  const variance = logs.reduce((sum, { standardError }, index) => sum + ((x[index] - center) * standardError) ** 2, 0);
  return {
    mean: slopeOf(
      x,
      logs.map((each) => each.mean),
    ),
    standardError: Math.sqrt(variance) / spread,
  };
}
