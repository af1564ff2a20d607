/**
 * Where a noisy curve of losses over learning rates is lowest, and how surely: a Gaussian process over the rate and
 * whatever else varies, from which whole curves are drawn. Numbers only; what a sweep or a family of curves makes of
 * it is theirs. How often its intervals cover is measured by `npm run bench:calibration`.
 */
import type { RandomStream } from "../rng.ts";
import { highest, lowest, quantile, standardized, thinned } from "../statistics.ts";
import { cholesky } from "./cholesky.ts";
import { fittedLogs, GaussianProcess, type Beliefs } from "./gaussian-process.ts";

/** One training as the estimate sees it. */
export interface RatedLoss {
  readonly log2Rate: number;
  /** Where its other hyperparameters lie in the unit cube. */
  readonly others: readonly number[];
  /** In nats; null when it diverged. */
  readonly loss: number | null;
}

/** The log2 of the best learning rate, with the interval that holds it at 90 %. */
export interface RateInterval {
  readonly value: number;
  readonly low: number;
  readonly high: number;
  /** The side on which the curve had not turned by the last rate that a training came to its end at: `low` or `high` is that rate, and the optimum may lie beyond. */
  readonly open: "lower" | "upper" | null;
}

const draws = 400;
/** Shares of the draws at the ends of the interval. */
const [lowShare, highShare] = [0.05, 0.95];
/** Rates at which drawn curves are compared. */
const places = 97;
/** Fewer trainings, or fewer rates, tell nothing of a curve's bottom. */
const [leastTrainings, leastRates] = [5, 3];
/** Trainings that count where there are many: the best, and some of the rest. Their cost grows with their cube. */
const [mostBest, mostOthers] = [100, 50];
/**
 * How much one seed's whole curve may differ from the mean over seeds, as a multiple of the noise's variance: without
 * it, an interval would shrink without end with more trials of the same seed. It and `wallHeight` are those with the
 * narrowest intervals among some that reach 90 % at 8, 16, 24 and 48 trials on every setting marked `choice`.
 */
const seedShare = 1;
/** Losses are noisy, and their curve is smooth: otherwise noise alone would have a bottom. */
const doubting: Beliefs = { lengthScale: { median: 0.6, spread: 0.5 }, noise: { median: 0.1, spread: 1.5 } };

/**
 * Losses above the median by their logarithm: how high a cliff is shall not decide where the bottom is. What diverged
 * is the worst. Of about zero mean and unit variance.
 */
function warped(losses: readonly (number | null)[]): Float64Array {
  const sound = losses.flatMap((loss) => loss ?? []).sort((a, b) => a - b);
  const [best, median] = [sound[0], sound[Math.floor((sound.length - 1) / 2)]];
  const range = median > best ? median - best : 1;
  const warp = (loss: number): number => ((loss - best) / range <= 1 ? (loss - best) / range : 1 + Math.log((loss - best) / range));
  const worst = warp(sound[sound.length - 1]) + 1;
  return standardized(Float64Array.from(losses, (loss) => (loss === null ? worst : warp(loss))));
}

/** The trainings that count: all, or where there are too many the best and some of the rest, evenly over their losses. */
function telling(samples: readonly RatedLoss[]): readonly RatedLoss[] {
  if (samples.length <= mostBest + mostOthers) return samples;
  const sorted = [...samples].sort((a, b) => (a.loss ?? Infinity) - (b.loss ?? Infinity));
  return [...sorted.slice(0, mostBest), ...thinned(sorted.slice(mostBest), mostOthers)];
}

/** Losses beyond the best by so many times what the better half differs by lie on the walls of the valley. */
const wallHeight = 2;

/** The trainings between the walls, and the nearest rates on them: how steep a wall is says nothing of the bottom. */
function valleyOf(samples: readonly RatedLoss[]): {
  readonly valley: readonly RatedLoss[];
  readonly walls: { readonly below: number | undefined; readonly above: number | undefined };
} {
  const losses = samples.flatMap(({ loss }) => loss ?? []).sort((a, b) => a - b);
  const [best, median] = [losses[0], losses[Math.floor((losses.length - 1) / 2)]];
  const good = samples.filter(({ loss }) => loss !== null && loss <= best + wallHeight * (median - best)).map(({ log2Rate }) => log2Rate);
  const [from, to] = [lowest(good), highest(good)];
  const [below, above] = [samples.filter(({ log2Rate }) => log2Rate < from), samples.filter(({ log2Rate }) => log2Rate > to)];
  return {
    valley: samples.filter(({ log2Rate }) => log2Rate >= from && log2Rate <= to),
    walls: {
      below: below.length === 0 ? undefined : highest(below.map(({ log2Rate }) => log2Rate)),
      above: above.length === 0 ? undefined : lowest(above.map(({ log2Rate }) => log2Rate)),
    },
  };
}

/**
 * The best learning rate while everything else lies at `others`, never beyond the rates of these trainings, from
 * trainings of `seeds` seeds each; undefined where they do not tell.
 */
export function bestRate(
  samples: readonly RatedLoss[],
  others: readonly number[],
  stream: RandomStream,
  seeds = 1,
): RateInterval | undefined {
  const { valley, walls } = valleyOf(samples);
  const counted = telling(valley);
  const sound = counted.filter(({ loss }) => loss !== null);
  const count = (of: (sample: RatedLoss) => number | null): number => new Set(sound.map(of)).size;
  if (sound.length < leastTrainings || count(({ log2Rate }) => log2Rate) < leastRates || count(({ loss }) => loss) === 1) return undefined;
  const rates = counted.map(({ log2Rate }) => log2Rate);
  const [from, to] = [lowest(rates), highest(rates)];
  const share = (log2Rate: number): number => (log2Rate - from) / (to - from);
  const x = counted.map(({ log2Rate, others: place }) => [share(log2Rate), ...place]);
  const y = warped(counted.map(({ loss }) => loss));
  const line = Array.from({ length: places }, (_, index) => [index / (places - 1), ...others]);
  const fitted = new GaussianProcess(x, y, line, fittedLogs(x, y, doubting));
  const optima = lowestPlaces(fitted, seedShare / seeds, stream);
  const sorted = [...optima].sort((a, b) => a - b);
  const rateAt = (index: number): number => from + ((to - from) * index) / (places - 1);
  const [low, high] = [quantile(sorted, lowShare), quantile(sorted, highShare)];
  // At the foot of a wall the bottom may lie anywhere up to the rate that is known to be on it.
  const [isAtLow, isAtHigh] = [low === 0, high === places - 1];
  const [isOpenBelow, isOpenAbove] = [isAtLow && walls.below === undefined, isAtHigh && walls.above === undefined];
  if (isOpenBelow && isOpenAbove) return undefined;
  return {
    value: rateAt(quantile(sorted, 0.5)),
    low: (isAtLow ? walls.below : undefined) ?? rateAt(low),
    high: (isAtHigh ? walls.above : undefined) ?? rateAt(high),
    open: isOpenBelow ? "lower" : isOpenAbove ? "upper" : null,
  };
}

/** Where each drawn curve is lowest. */
function lowestPlaces(fitted: GaussianProcess, drift: number, stream: RandomStream): readonly number[] {
  const covariance = new Float64Array(places * places);
  for (let i = 0; i < places; i++) covariance.set(fitted.covariancesAt(i, drift), i * places);
  // So much of the variance is lost to rounding where curves are known almost exactly.
  for (let i = 0; i < places; i++) covariance[i * places + i] += 1e-6;
  const lower = cholesky(covariance, places);
  if (lower === undefined) return [0, places - 1];
  return Array.from({ length: draws }, () => {
    const normals = Float64Array.from({ length: places }, () => stream.normal());
    let [best, place] = [Infinity, 0];
    for (let i = 0; i < places; i++) {
      let value = fitted.means[i];
      for (let j = 0; j <= i; j++) value += lower[i * places + j] * normals[j];
      if (value < best) [best, place] = [value, i];
    }
    return place;
  });
}
