/**
 * Bayesian optimization: the next points are where a Gaussian process of the loss expects most improvement.
 * Losses are warped so that diverged and terrible trials do not decide the fit: of the worse half only
 * the order counts (as in Song et al., "The Vizier Gaussian Process Bandit Algorithm", 2024).
 */
import type { RandomStream } from "../rng.ts";
import type { Designer, DesignerOptions } from "./designer.ts";
import { GaussianProcess } from "./gaussian-process.ts";
import { learner, type PlacedPoint, type ScoredPoint, type Situation } from "./learner.ts";
import { logExpectedImprovement } from "./normal.ts";

/** Candidates, where the points of the space cannot be listed: spread over the cube, and around the best results. */
const [spread, near] = [500, 500];
/** Results that candidates are drawn around, and how far from them. */
const [centers, distances] = [5, [0.1, 0.02]];

/** Targets of about zero mean and unit variance: losses of the better half as they are, the worse half's by rank over a range as long. */
function warped(losses: readonly number[]): Float64Array {
  const n = losses.length;
  const median = losses[Math.floor((n - 1) / 2)];
  const range = median - losses[0];
  const worse = n - 1 - Math.floor((n - 1) / 2);
  const values = Float64Array.from(losses, (loss, index) =>
    index <= n - 1 - worse ? loss : median + (range * (index - (n - 1 - worse))) / worse,
  );
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const std = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / n);
  return values.map((value) => (std > 0 ? (value - mean) / std : 0));
}

/** Points of a space too large to be listed that may be worth a trial. */
function candidatesOf({ cube, results, stream, isTried }: Situation): readonly PlacedPoint[] {
  const around = ({ coordinates }: ScoredPoint, distance: number, random: RandomStream): readonly number[] =>
    coordinates.map((u) => Math.min(1 - 1e-9, Math.max(0, u + distance * random.normal())));
  const uniform = Array.from({ length: spread }, () => cube.dimensions.map(() => stream.uniform()));
  const local = Array.from({ length: near }, (_, index) =>
    around(results[index % Math.min(centers, results.length)], distances[Math.floor(index / centers) % distances.length], stream),
  );
  const points = new Map(
    [...uniform, ...local].map((coordinates) => cube.pointAt(coordinates)).map((point) => [JSON.stringify(point), point]),
  );
  return [...points.values()].filter((point) => !isTried(point)).map((point) => ({ point, coordinates: cube.coordinatesOf(point) }));
}

function propose(situation: Situation, count: number): readonly PlacedPoint[] {
  const { results, pending } = situation;
  const candidates = situation.untried ?? candidatesOf(situation);
  const points = [...candidates, ...pending, ...results].map(({ coordinates }) => coordinates);
  const fitted = new GaussianProcess(
    results.map(({ coordinates }) => coordinates),
    warped(results.map(({ loss }) => loss)),
    points,
  );
  // Results are noisy: the best is the lowest mean at any of them, not the luckiest.
  const best = Math.min(...fitted.means.subarray(candidates.length + pending.length));
  pending.forEach((_, index) => fitted.takeMeanForResult(candidates.length + index));
  const chosen = new Set<number>();
  while (chosen.size < Math.min(count, candidates.length)) {
    let top = { index: -1, score: -Infinity };
    for (let index = 0; index < candidates.length; index++) {
      if (chosen.has(index)) continue;
      const std = Math.sqrt(fitted.variances[index]);
      const score = logExpectedImprovement((best - fitted.means[index]) / std) + Math.log(std);
      if (score > top.score || top.index < 0) top = { index, score };
    }
    chosen.add(top.index);
    fitted.takeMeanForResult(top.index);
  }
  return [...chosen].map((index) => candidates[index]);
}

/** The designer that specs call `gp`. */
export const expectedImprovementDesigner = (options: DesignerOptions): Designer =>
  learner(options, { label: "gp", startup: (dimensions) => Math.max(8, dimensions + 1), propose });
