/**
 * Loss against learning rate at several sizes (widths or depths): per size the optimum with its
 * interval, how far it drifts, where larger is not better, and what transferring costs. Numbers only.
 */
import { randomStream } from "../rng.ts";
import { mean, pooledDeviation, quantile, slopeOf, squaredDeviations } from "../statistics.ts";
import type { Family, Optimum } from "./records.ts";

type Curve = Family["curves"][number];
type Points = Curve["points"];

const resamples = 400;
/** Bounds of the 90 % interval. */
const [lowShare, highShare] = [0.05, 0.95];
/** Octaves around the best rate within which losses, and those of its neighbours anyway, are taken for a parabola. */
const window = 1.5;
/** How many standard errors a larger model must be worse by to count. */
const clearly = 2;

/** Mean over the chosen seeds; Infinity when one of them diverged. */
const meanLoss = (losses: Points[number]["losses"], seeds: readonly number[]): number =>
  mean(seeds.map((seed) => losses[seed] ?? Infinity));

/** Vertex of the parabola through the points around the lowest, never outside its neighbours, and the lowest's index; the lowest itself where they form none. */
function vertexOf(
  rates: readonly number[],
  losses: readonly number[],
): { readonly rate: number; readonly loss: number; readonly index: number } {
  const index = losses.indexOf(Math.min(...losses));
  const [center, loss] = [rates[index], losses[index]];
  const near = rates.flatMap((rate, at) =>
    (Math.abs(rate - center) <= window || Math.abs(at - index) === 1) && losses[at] < Infinity ? [[rate - center, losses[at] - loss]] : [],
  );
  // Least squares of y = slope·x + curvature·x² through the lowest point.
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
  const isEdge = index === 0 || index === rates.length - 1;
  if (near.length < 3 || isEdge || !(curvature > 0)) return { rate: center, loss, index };
  const x = Math.min(rates[index + 1] - center, Math.max(rates[index - 1] - center, -slope / (2 * curvature)));
  return { rate: center + x, loss: loss + slope * x + curvature * x * x, index };
}

const log2Rates = (points: Points): readonly number[] => points.map(({ learning_rate: rate }) => Math.log2(rate));
const vertexWith = (points: Points, seeds: readonly number[]): ReturnType<typeof vertexOf> =>
  vertexOf(
    log2Rates(points),
    points.map(({ losses }) => meanLoss(losses, seeds)),
  );
const all = (count: number): readonly number[] => Array.from({ length: count }, (_, seed) => seed);

/** Seeds drawn with replacement, the same for every size of a resample. */
function resampled(count: number): readonly (readonly number[])[] {
  const stream = randomStream(1, "curves");
  return Array.from({ length: resamples }, () => all(count).map(() => stream.integer(count)));
}

function optimumOf(points: Points): Optimum | null {
  const count = points[0].losses.length;
  const best = vertexWith(points, all(count));
  if (!(best.loss < Infinity)) return null;
  const rates = resampled(count)
    .map((seeds) => vertexWith(points, seeds).rate)
    .sort((a, b) => a - b);
  return {
    log2_learning_rate: best.rate,
    low: count === 1 ? null : quantile(rates, lowShare),
    high: count === 1 ? null : quantile(rates, highShare),
    loss: best.loss,
    edge: best.index === 0 ? "low" : best.index === points.length - 1 ? "high" : null,
  };
}

/** Slope of the optimum over log2 size. */
const driftWith = (curves: readonly Curve[], seeds: readonly number[]): number =>
  slopeOf(
    curves.map(({ size }) => Math.log2(size)),
    curves.map(({ points }) => vertexWith(points, seeds).rate),
  );

function driftOf(curves: readonly Curve[]): Family["drift"] {
  const count = curves[0].points[0].losses.length;
  // An optimum at an edge may be anywhere beyond it.
  const isKnown = curves.every(({ optimum }) => optimum !== null && optimum.edge === null);
  if (!isKnown || curves.length < 2) return null;
  const drifts = resampled(count).map((seeds) => driftWith(curves, seeds));
  return {
    per_doubling: driftWith(curves, all(count)),
    // A bootstrap of few seeds is too narrow by √((n − 1)/n).
    standard_error: count === 1 ? null : Math.sqrt((squaredDeviations(drifts) / drifts.length) * (count / (count - 1))),
  };
}

/** Standard deviation of one seed's loss, pooled over the best rate and its neighbours. */
const seedDeviation = (points: Points, best: number): number | null =>
  pooledDeviation(points.slice(Math.max(0, best - 1), best + 2).flatMap(({ losses }) => (losses.includes(null) ? [] : [soundOf(losses)])));

const soundOf = (losses: Points[number]["losses"]): readonly number[] => losses.filter((loss) => loss !== null);
const soundMean = ({ losses }: Points[number]): number => meanLoss(losses, all(losses.length));
/** Variance of the mean over seeds. */
const varianceOfMean = ({ losses }: Points[number]): number => {
  const sound = soundOf(losses);
  return sound.length < 2 ? 0 : squaredDeviations(sound) / (sound.length - 1) / sound.length;
};

/** Rates at which the larger of two neighbouring sizes is clearly worse; those at which a model diverged are left out. */
function violationsOf(curves: readonly Curve[]): Family["violations"] {
  return curves.slice(1).flatMap(({ size: larger, points }, index) => {
    const { size: smaller, points: before } = curves[index];
    return points.flatMap((point, rate) => {
      const nats = soundMean(point) - soundMean(before[rate]);
      const error = Math.sqrt(varianceOfMean(point) + varianceOfMean(before[rate]));
      return Number.isFinite(nats) && nats > clearly * error && nats > 0
        ? [{ learning_rate: point.learning_rate, smaller, larger, nats }]
        : [];
    });
  });
}

/** What taking the smallest size's best rate costs at the largest. */
function gapOf(curves: readonly Curve[]): Family["gap"] {
  const [smallest, largest] = [curves[0], curves[curves.length - 1]];
  const kept = vertexWith(smallest.points, all(smallest.points[0].losses.length));
  const means = largest.points.map(soundMean);
  const best = Math.min(...means);
  const nats = means[kept.index] - best;
  const deviation = seedDeviation(largest.points, means.indexOf(best));
  return kept.loss < Infinity && Number.isFinite(nats)
    ? { nats, seed_deviations: deviation === null || deviation === 0 ? null : nats / deviation }
    : null;
}

/** Everything that is said of one parametrization; sizes in ascending order. */
export function familyOf(parametrization: string, curves: readonly Pick<Curve, "size" | "points">[]): Family {
  const sorted = [...curves].sort((a, b) => a.size - b.size).map((curve) => ({ ...curve, optimum: optimumOf(curve.points) }));
  return { parametrization, curves: sorted, drift: driftOf(sorted), violations: violationsOf(sorted), gap: gapOf(sorted) };
}
