/**
 * What a sweep's losses say of its space: where the best learning rate lies and how
 * surely, which hyperparameters mattered, and where the winner is at an edge. Numbers
 * only; a bootstrap gives each its uncertainty.
 */
import { randomStream, type RandomStream } from "../rng.ts";
import { lowest, quantile, squaredDeviations } from "../statistics.ts";
import { cholesky, solveLower, solveUpper } from "./cholesky.ts";
import { cubeOf } from "./cube.ts";
import { isFree, type Point, type Space } from "./space.ts";

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
/** Octaves around the best rate within which losses are taken for a parabola. */
const window = 2;
/** Fewer samples than this are no evidence of a parabola. */
const leastSamples = 5;

/** Coefficients of the least-squares fit of `values` by `features`; undefined when they cannot be told apart. */
function fit(features: readonly (readonly number[])[], values: readonly number[]): Float64Array | undefined {
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

/**
 * The best learning rate in log2: the vertex of a parabola through the losses within two octaves of the lowest,
 * after parabolas in the other free hyperparameters where there are samples enough for them. Never beyond the rates tried.
 */
export function bestLog2Rate(space: Space, samples: readonly Sample[], seed: number): IntervalEstimate | undefined {
  const rated = samples.flatMap(({ point, loss }) => (loss === null ? [] : [{ point, loss, rate: Math.log2(point["learning_rate"]) }]));
  const best = lowest(rated.map(({ loss }) => loss));
  const center = rated.find(({ loss }) => loss === best)?.rate ?? 0;
  const near = rated.filter(({ rate }) => Math.abs(rate - center) <= window);
  if (near.length < leastSamples || new Set(near.map(({ rate }) => rate)).size < 3) return undefined;
  const others = cubeOf(Object.fromEntries(Object.entries(space).filter(([name]) => name !== "learning_rate")));
  const usesOthers = near.length >= 2 * (3 + 2 * others.dimensions.length);
  const rows = near.map(({ point, loss, rate }) => {
    const x = rate - center;
    const rest = usesOthers ? others.dimensions.map((each) => each.coordinate(point[each.name])).flatMap((u) => [u, u * u]) : [];
    return { features: [1, x, x * x, ...rest], loss, x };
  });
  const [low, high] = [lowest(rows.map(({ x }) => x)), -lowest(rows.map(({ x }) => -x))];
  const vertex = bootstrapped(rows, randomStream(seed, "optimum"), (each) => {
    const coefficients = fit(
      each.map(({ features }) => features),
      each.map(({ loss }) => loss),
    );
    if (coefficients === undefined) return undefined;
    const [, slope, curvature] = coefficients;
    const lossAt = (x: number): number => slope * x + curvature * x * x;
    if (curvature <= 0) return lossAt(low) < lossAt(high) ? low : high;
    return Math.min(high, Math.max(low, -slope / (2 * curvature)));
  });
  return vertex && { value: center + vertex.value, low: center + vertex.low, high: center + vertex.high };
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
  const some = samples.slice(0, mostRanked);
  if (some.length < 2 * leastSamples) return [];
  const ranks = ranksOf(some.map(({ loss }) => loss));
  const shares = cubeOf(space).dimensions.flatMap((dimension) => {
    const { name } = dimension;
    const rows = some.map(({ point }, index) => ({ u: dimension.coordinate(point[name]), rank: ranks[index] }));
    const estimate = bootstrapped(rows, randomStream(seed, `importance ${name}`), (each) => {
      const features = each.map(({ u }) => [1, u, u * u]);
      const values = each.map(({ rank }) => rank);
      const coefficients = fit(features, values);
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

/** A value at the edge of what was tried, and how far to look beyond it. */
export interface Edge {
  readonly name: string;
  readonly side: "lower" | "upper";
  readonly bound: number;
  readonly extendTo: number;
}

/** How near to a bound, as a fraction of the range, a value counts as lying at its edge. */
const edgeShare = 0.05;
/** How far an extension goes: in factors where values span a factor, in ranges elsewhere. */
const extension = 4;

/** Where a point is at an edge of the space. A list counts from three values on. */
export function edgesOf(space: Space, point: Point): readonly Edge[] {
  return Object.entries(space).flatMap(([name, domain]): Edge[] => {
    const value = point[name];
    // What a condition has fixed says nothing about the range.
    if (value === undefined || !isFree(domain) || value === domain.otherwise) return [];
    const [min, max] = "values" in domain ? [Math.min(...domain.values), Math.max(...domain.values)] : [domain.min, domain.max];
    const isLog = min > 0 && ("values" in domain || domain.distribution === "log_uniform");
    if ("values" in domain && domain.values.length < 3) return [];
    const share = isLog ? Math.log(value / min) / Math.log(max / min) : (value - min) / (max - min);
    const isInside = "values" in domain && value > min && value < max;
    const side = isInside ? undefined : share < edgeShare ? "lower" : share > 1 - edgeShare ? "upper" : undefined;
    if (side === undefined) return [];
    const reach = isLog ? undefined : (max - min) / 2;
    const extendTo =
      side === "lower" ? (reach === undefined ? min / extension : min - reach) : reach === undefined ? max * extension : max + reach;
    return [{ name, side, bound: side === "lower" ? min : max, extendTo: Number(extendTo.toPrecision(4)) }];
  });
}
