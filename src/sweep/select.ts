/**
 * Which trial wins, how sure that is, and in which order trials are shown.
 */
import type { TrialSummary } from "../run/state.ts";
import { isSound } from "../run/trial-result.ts";
import { mean, pooledDeviation } from "../statistics.ts";

const order = { completed: 0, stopped: 1, diverged: 2, failed: 3 } as const;

type Ranked = Pick<TrialSummary, "id" | "status" | "validationLoss" | "hyperparameters" | "steps">;
const rateOf = ({ hyperparameters }: Ranked): number => hyperparameters.learning_rate ?? 0;

/**
 * Trials from best to worst: those that completed, then those that were stopped, the
 * furthest first; by validation loss, ties to the lower learning rate and then the
 * lower id; diverged and failed trials last.
 */
export function rankTrials<T extends Ranked>(trials: readonly T[]): readonly T[] {
  const lossOf = ({ validationLoss }: T): number => validationLoss ?? Infinity;
  return [...trials].sort(
    (a, b) =>
      order[a.status] - order[b.status] ||
      (a.status === "stopped" ? b.steps - a.steps : 0) ||
      (lossOf(a) === lossOf(b) ? rateOf(a) - rateOf(b) || a.id - b.id : lossOf(a) - lossOf(b)),
  );
}

/** A trial trained again on fresh seeds. */
export interface Confirmed {
  readonly id: number;
  readonly seeds: readonly number[];
  /** One per seed; null where it did not complete. */
  readonly validationLosses: readonly (number | null)[];
  /** Null when a seed did not complete. */
  readonly meanLoss: number | null;
  /** Loss of the trial's own first run, by which it was chosen; null when that was stopped early. */
  readonly firstLoss: number | null;
}

/** The trial that wins, and how sure that is. */
export interface Winner<T> {
  readonly trial: T;
  /** Mean over fresh seeds where there are any, else the loss of its only run. */
  readonly validationLoss: number;
  /** Standard error of that mean, pooled over all that were confirmed; null without fresh seeds. */
  readonly standardError: number | null;
  /** From best to worst. */
  readonly confirmed: readonly Confirmed[];
}

/**
 * The winner among first runs (`seed`) and their confirmations: by mean over fresh
 * seeds, a tie within one standard error going to the lower learning rate.
 */
export function chooseWinner<T extends TrialSummary>(trials: readonly T[], seed: number): Winner<T> | undefined {
  const first = new Map(trials.filter((trial) => trial.seed === seed && isSound(trial)).map((trial) => [trial.id, trial]));
  const again = new Map<number, T[]>();
  for (const trial of trials) if (trial.seed !== seed && first.has(trial.id)) again.set(trial.id, [...(again.get(trial.id) ?? []), trial]);
  const confirmed = [...again].map(([id, runs]): Confirmed => {
    const validationLosses = runs.map(({ status, validationLoss }) => (status === "completed" ? validationLoss : null));
    const sound = validationLosses.filter((loss) => loss !== null);
    return {
      id,
      seeds: runs.map((run) => run.seed),
      validationLosses,
      meanLoss: sound.length === validationLosses.length ? mean(sound) : null,
      firstLoss: firstOf(first.get(id)),
    };
  });
  confirmed.sort((a, b) => (a.meanLoss ?? Infinity) - (b.meanLoss ?? Infinity) || a.id - b.id);
  const [best] = confirmed;
  if (best === undefined || best.meanLoss === null) {
    const [trial] = rankTrials([...first.values()]);
    return trial?.status !== "completed"
      ? undefined
      : { trial, validationLoss: trial.validationLoss as number, standardError: null, confirmed };
  }
  const standardError = seedDeviation(confirmed) / Math.sqrt(best.seeds.length);
  const bound = best.meanLoss + standardError;
  const tied = confirmed.filter(({ meanLoss }) => meanLoss !== null && meanLoss <= bound);
  const [winner] = tied
    .map((each) => ({ ...each, trial: first.get(each.id) as T }))
    .sort((a, b) => rateOf(a.trial) - rateOf(b.trial) || (a.meanLoss as number) - (b.meanLoss as number) || a.id - b.id);
  return { trial: winner.trial, validationLoss: winner.meanLoss as number, standardError, confirmed };
}

const firstOf = (trial: TrialSummary | undefined): number | null => (trial?.status === "completed" ? trial.validationLoss : null);

/** First runs as they are shown: the winner, others that were confirmed by their means, then the rest as ranked. */
export function standings<T extends TrialSummary>(trials: readonly T[], seed: number): readonly T[] {
  const winner = chooseWinner(trials, seed);
  const places = new Map(winner?.confirmed.map(({ id }, place) => [id, place]));
  if (winner !== undefined) places.set(winner.trial.id, -1);
  const last = trials.length;
  const first = rankTrials(trials.filter((trial) => trial.seed === seed));
  return [...first].sort((a, b) => (places.get(a.id) ?? last) - (places.get(b.id) ?? last));
}

/** Standard deviation of a single seed's loss, pooled over the trials that have all of theirs; 0 with one seed each. */
export const seedDeviation = (confirmed: readonly Confirmed[]): number =>
  pooledDeviation(
    confirmed.map(({ validationLosses }) => (validationLosses.includes(null) ? [] : validationLosses.filter((loss) => loss !== null))),
  ) ?? 0;
