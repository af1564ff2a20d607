/**
 * What was said before of the best learning rate, to be compared with: the vertex of a parabola through the losses around
 * the lowest with a bootstrap of one sweep, and for curves a bootstrap of their seeds. Numbers only.
 */
import { leastSquares } from "../../src/search/least-squares.ts";
import { cubeOf } from "../../src/search/cube.ts";
import type { Point, Space } from "../../src/search/space.ts";
import { randomStream } from "../../src/rng.ts";
import { lowest, mean, quantile } from "../../src/statistics.ts";

/** A value with the bounds of its interval. */
export interface Interval {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

const resamples = 400;
const [lowShare, highShare] = [0.05, 0.95];

/** The parabola over ±2 octaves of one sweep. */
export function parabolaOfSweep(
  space: Space,
  samples: readonly { readonly point: Point; readonly loss: number | null }[],
  seed: number,
): Interval | undefined {
  const window = 2;
  const rated = samples.flatMap(({ point, loss }) => (loss === null ? [] : [{ point, loss, rate: Math.log2(point["learning_rate"]) }]));
  const best = lowest(rated.map(({ loss }) => loss));
  const center = rated.find(({ loss }) => loss === best)?.rate ?? 0;
  const near = rated.filter(({ rate }) => Math.abs(rate - center) <= window);
  if (near.length < 5 || new Set(near.map(({ rate }) => rate)).size < 3) return undefined;
  const others = cubeOf(Object.fromEntries(Object.entries(space).filter(([name]) => name !== "learning_rate")));
  const usesOthers = near.length >= 2 * (3 + 2 * others.dimensions.length);
  const rows = near.map(({ point, loss, rate }) => {
    const x = rate - center;
    const rest = usesOthers ? others.dimensions.map((each) => each.coordinate(point[each.name])).flatMap((u) => [u, u * u]) : [];
    return { features: [1, x, x * x, ...rest], loss, x };
  });
  const [low, high] = [lowest(rows.map(({ x }) => x)), -lowest(rows.map(({ x }) => -x))];
  const vertexOf = (each: typeof rows): number | undefined => {
    const coefficients = leastSquares(
      each.map(({ features }) => features),
      each.map(({ loss }) => loss),
    );
    if (coefficients === undefined) return undefined;
    const [, slope, curvature] = coefficients;
    const lossAt = (x: number): number => slope * x + curvature * x * x;
    if (curvature <= 0) return lossAt(low) < lossAt(high) ? low : high;
    return Math.min(high, Math.max(low, -slope / (2 * curvature)));
  };
  const value = vertexOf(rows);
  if (value === undefined) return undefined;
  const stream = randomStream(seed, "optimum");
  const values = Array.from({ length: resamples }, () => vertexOf(rows.map(() => rows[stream.integer(rows.length)])) ?? value);
  values.sort((a, b) => a - b);
  return { value: center + value, low: center + quantile(values, lowShare), high: center + quantile(values, highShare) };
}

/** The parabola of a grid's points within 1.5 octaves of the lowest, its seeds drawn again; `losses` are [rate][seed]. */
export function parabolaOfCurve(log2Rates: readonly number[], losses: readonly (readonly number[])[]): Interval | undefined {
  const window = 1.5;
  const seeds = losses[0].length;
  const vertexWith = (chosen: readonly number[]): number => {
    const means = losses.map((each) => mean(chosen.map((seed) => each[seed])));
    const index = means.indexOf(lowest(means));
    const [center, least] = [log2Rates[index], means[index]];
    const near = log2Rates.flatMap((rate, at) =>
      Math.abs(rate - center) <= window || Math.abs(at - index) === 1 ? [[rate - center, means[at] - least]] : [],
    );
    let [xx, xxx, xxxx, xy, xxy] = [0, 0, 0, 0, 0];
    for (const [x, y] of near) {
      xx += x * x;
      xxx += x ** 3;
      xxxx += x ** 4;
      xy += x * y;
      xxy += x * x * y;
    }
    const determinant = xx * xxxx - xxx * xxx;
    const curvature = (xx * xxy - xxx * xy) / determinant;
    const slope = (xxxx * xy - xxx * xxy) / determinant;
    const isEdge = index === 0 || index === log2Rates.length - 1;
    if (near.length < 3 || isEdge || !(curvature > 0)) return center;
    return center + Math.min(log2Rates[index + 1] - center, Math.max(log2Rates[index - 1] - center, -slope / (2 * curvature)));
  };
  const all = Array.from({ length: seeds }, (_, seed) => seed);
  const stream = randomStream(1, "curves");
  const values = Array.from({ length: resamples }, () => vertexWith(all.map(() => stream.integer(seeds)))).sort((a, b) => a - b);
  return { value: vertexWith(all), low: quantile(values, lowShare), high: quantile(values, highShare) };
}
