/**
 * Bayesian optimization: the next points are where a Gaussian process of the loss expects most improvement.
 * Losses are warped so that diverged and terrible trials do not decide the fit: of the worse half only
 * the order counts (as in Song et al., "The Vizier Gaussian Process Bandit Algorithm", 2024).
 */
import type { RandomStream } from "../rng.ts";
import type { Designer, DesignerOptions } from "./designer.ts";
import { fittedLogs, GaussianProcess, sampleOf, type Logs } from "./gaussian-process.ts";
import { learner, type PlacedPoint, type ScoredPoint, type Situation } from "./learner.ts";
import { standardized } from "../statistics.ts";
import { logExpectedImprovement } from "./normal.ts";

/** Candidates, where the points of the space cannot be listed: spread over the cube, and around the best results. */
const [spread, near] = [500, 500];
/** Results that candidates are drawn around, and how far from them. */
const [centers, distances] = [5, [0.1, 0.02]];

/** Results that the process learns from, at most: the best half of as many, and the others thinned. The cost grows with their square. */
const mostResults = 256;
/** From so many results on, hyperparameters are fitted anew when there are a quarter more; before, to all of them. */
const [refitted, growth] = [120, 1.25];

/** Results that hyperparameters are fitted to when there are `count` of them: whether they were told at once or bit by bit. */
function fittedCount(count: number): number {
  let fitted = Math.min(count, refitted);
  for (let next = refitted; next <= count; next *= growth) fitted = Math.floor(next);
  return fitted;
}

/** Targets of about zero mean and unit variance: losses of the better half as they are, the worse half's by rank over a range as long. */
function warped(losses: readonly number[]): Float64Array {
  const n = losses.length;
  const median = losses[Math.floor((n - 1) / 2)];
  const range = median - losses[0];
  const worse = n - 1 - Math.floor((n - 1) / 2);
  return standardized(
    Float64Array.from(losses, (loss, index) => (index <= n - 1 - worse ? loss : median + (range * (index - (n - 1 - worse))) / worse)),
  );
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

const coordinatesOf = (placed: readonly PlacedPoint[]): readonly (readonly number[])[] => placed.map(({ coordinates }) => coordinates);

/** Proposes what a process with these hyperparameters expects most of. */
function propose(situation: Situation, count: number, logs: Logs): readonly PlacedPoint[] {
  const { pending } = situation;
  const targets = warped(situation.results.map(({ loss }) => loss));
  const kept = sampleOf(targets.length, mostResults);
  const results = kept.map((index) => situation.results[index]);
  const candidates = situation.untried ?? candidatesOf(situation);
  const fitted = new GaussianProcess(
    coordinatesOf(results),
    Float64Array.from(kept, (index) => targets[index]),
    coordinatesOf([...candidates, ...pending]),
    logs,
  );
  // Results are noisy: the best is the lowest mean at any of them, not the luckiest.
  const best = Math.min(...fitted.smoothed);
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
export const expectedImprovementDesigner = (options: DesignerOptions): Designer => {
  /** The last fit, and how many results it is of. */
  let last: { readonly count: number; readonly logs: Logs } | undefined;
  const logsOf = ({ results, resultsAfter }: Situation): Logs => {
    const count = fittedCount(results.length);
    if (last?.count !== count) {
      const known = resultsAfter(count);
      last = { count, logs: fittedLogs(coordinatesOf(known), warped(known.map(({ loss }) => loss))) };
    }
    return last.logs;
  };
  return learner(options, {
    label: "gp",
    startup: (dimensions) => Math.max(8, dimensions + 1),
    propose: (situation, count) => propose(situation, count, logsOf(situation)),
  });
};
