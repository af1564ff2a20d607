/**
 * What a sweep's losses say of its space: where the best learning rate lies and how
 * surely, and which hyperparameters mattered. Numbers only; a bootstrap gives each its
 * uncertainty. Edges are edges.ts's business.
 */
import { randomStream, type RandomStream } from "../rng.ts";
import { quantile, squaredDeviations, thinned } from "../statistics.ts";
import { leastSquares } from "./least-squares.ts";
import { cubeOf } from "./cube.ts";
import { bestRate, type RateInterval } from "./optimum.ts";
import { sourceOf, type Point, type Space } from "./space.ts";

/** One trial as the analysis sees it. */
export interface Sample {
  readonly point: Point;
  /** Null when the trial diverged. */
  readonly loss: number | null;
}

/** An estimate with its 90 % interval. */
export interface IntervalEstimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

const resamples = 400;
const interval = { low: 0.05, high: 0.95 } as const;
/** Fewer samples than this are no evidence of a parabola. */
const leastRanked = 10;

/** A statistic of the samples with its bootstrap interval; undefined when the samples themselves do not have it. */
function bootstrapped<T>(
  samples: readonly T[],
  stream: RandomStream,
  of: (samples: readonly T[]) => number | undefined,
): IntervalEstimate | undefined {
  const value = of(samples);
  if (value === undefined) return undefined;
  const values = Array.from({ length: resamples }, () => of(samples.map(() => samples[stream.integer(samples.length)])) ?? value);
  values.sort((a, b) => a - b);
  return { value, low: quantile(values, interval.low), high: quantile(values, interval.high) };
}

/** The log2 of the best learning rate, which is the hyperparameter `rate`, while everything else is as at `at`; undefined where the trainings do not tell, or it was not searched. */
export function bestLog2Rate(
  space: Space,
  samples: readonly Sample[],
  at: Point,
  seed: number,
  rate = "learning_rate",
): RateInterval | undefined {
  // A hyperparameter that the rate is tied to is the rate.
  const own = [rate, sourceOf(space, rate)];
  const cube = cubeOf(Object.fromEntries(Object.entries(space).filter(([name]) => !own.includes(name))));
  const rated = samples.map(({ point, loss }) => ({
    log2Rate: Math.log2(point[rate]),
    others: cube.coordinatesOf(point),
    loss,
  }));
  return bestRate(rated, cube.coordinatesOf(at), randomStream(seed, "optimum"));
}

/** Average ranks from 0; diverged samples share the last. */
function ranksOf(losses: readonly (number | null)[]): readonly number[] {
  const values = losses.map((loss) => loss ?? Infinity);
  return values.map((value) => {
    const below = values.filter((other) => other < value).length;
    const equal = values.filter((other) => other === value).length;
    return below + (equal - 1) / 2;
  });
}

/** Samples whose importance is worth computing; quadratic in their number. */
const mostRanked = 1000;

/** Share of the losses' ranks that a parabola in one hyperparameter alone explains (adjusted R²), for each that is free, the largest first. */
export function importances(
  space: Space,
  samples: readonly Sample[],
  seed: number,
): readonly (IntervalEstimate & { readonly name: string })[] {
  const some = thinned(samples, mostRanked);
  if (some.length < leastRanked) return [];
  const ranks = ranksOf(some.map(({ loss }) => loss));
  const shares = cubeOf(space).dimensions.flatMap((dimension) => {
    const { name } = dimension;
    const rows = some.map(({ point }, index) => ({ u: dimension.coordinate(point[name]), rank: ranks[index] }));
    const estimate = bootstrapped(rows, randomStream(seed, `importance ${name}`), (each) => {
      const features = each.map(({ u }) => [1, u, u * u]);
      const values = each.map(({ rank }) => rank);
      const coefficients = leastSquares(features, values);
      if (coefficients === undefined) return undefined;
      const total = squaredDeviations(values);
      const left = features.reduce((sum, row, i) => sum + (values[i] - row.reduce((at, x, j) => at + x * coefficients[j], 0)) ** 2, 0);
      if (total === 0) return 0;
      return Math.max(0, 1 - left / (values.length - 3) / (total / (values.length - 1)));
    });
    return estimate === undefined ? [] : [{ name, ...estimate }];
  });
  return [...shares].sort((a, b) => b.value - a.value);
}
