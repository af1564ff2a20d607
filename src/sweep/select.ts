/**
 * Which trial wins, how sure that is, and in which order trials are shown.
 */
import { seedsFrom } from "../rng.ts";
import type { TrialSummary } from "../run/state.ts";
import { isSound } from "../run/trial-result.ts";
import { rulesOf, type CompleteSpec } from "../spec/complete.ts";
import { mean } from "../statistics.ts";
import type { Confirmed, Decision, FreshSeeds } from "./confirmed.ts";
import { ruleSets } from "./rules.ts";

const order = { completed: 0, stopped: 1, untrained: 2, diverged: 3, failed: 4 } as const;

type Ranked = Pick<TrialSummary, "id" | "status" | "validationLoss" | "hyperparameters" | "steps">;
const rateOf = ({ hyperparameters }: Ranked): number => hyperparameters.learning_rate ?? 0;

/**
 * Trials from best to worst: those that completed, then those that were stopped, the
 * furthest first; by validation loss, ties to the lower learning rate and then the
 * lower id; those that learned nothing, diverged and failed ones last.
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

/** The trial that wins, and how sure that is. */
export interface Winner<T> {
  readonly trial: T;
  /** Mean over fresh seeds where there are any, else the loss of its only run. */
  readonly validationLoss: number;
  /** Standard error of that mean, from a deviation pooled over all that were confirmed; null where seeds do not tell. */
  readonly standardError: number | null;
}

/** What a sweep has come to. */
export interface Verdict<T> extends Pick<Decision, "confirmed" | "race"> {
  readonly winner: Winner<T> | undefined;
}

/** What decides besides the trials. */
export type Deciding = Pick<CompleteSpec, "seed" | "rules"> & { readonly search: Pick<CompleteSpec["search"], "confirm"> };

/** The fresh seeds of a spec, as many as there can be; undefined when it confirms nothing. */
export function freshSeedsOf({ seed, search }: Deciding): FreshSeeds | undefined {
  if (search.confirm === null) return undefined;
  const { seeds: least, most_seeds: most = least } = search.confirm;
  return { seeds: seedsFrom(seed + 1, most), least };
}

/** Trials with what their fresh seeds have come to. */
export function confirmedOf(
  trials: readonly { readonly first: TrialSummary; readonly again: readonly TrialSummary[] }[],
): readonly Confirmed[] {
  return trials.map(({ first, again }) => {
    const validationLosses = again.map(({ status, validationLoss }) => (status === "completed" ? validationLoss : null));
    const sound = validationLosses.filter((loss) => loss !== null);
    return {
      id: first.id,
      learningRate: rateOf(first),
      seeds: again.map((run) => run.seed),
      validationLosses,
      meanLoss: sound.length === validationLosses.length ? mean(sound) : null,
      firstLoss: first.status === "completed" ? first.validationLoss : null,
      isRefuted: again.some(({ status }) => status === "diverged" || status === "untrained"),
    };
  });
}

/** What first runs and their confirmations come to, by the rules of the spec. */
export function judge<T extends TrialSummary>(trials: readonly T[], spec: Deciding): Verdict<T> {
  const { seed } = spec;
  const first = new Map(trials.filter((trial) => trial.seed === seed && isSound(trial)).map((trial) => [trial.id, trial]));
  const again = new Map<number, T[]>();
  for (const trial of trials) if (trial.seed !== seed && first.has(trial.id)) again.set(trial.id, [...(again.get(trial.id) ?? []), trial]);
  const unordered = confirmedOf([...again].map(([id, runs]) => ({ first: first.get(id) as T, again: runs })));
  const { decide, mayWinUnconfirmed } = ruleSets[rulesOf(spec)];
  const { confirmed, winner, race } = decide(unordered, freshSeedsOf(spec) ?? { seeds: [], least: 0 });
  if (winner !== undefined) {
    const { id, standardError } = winner;
    const validationLoss = confirmed.find((each) => each.id === id)?.meanLoss as number;
    return { winner: { trial: first.get(id) as T, validationLoss, standardError }, confirmed, race };
  }
  const [best] = rankTrials([...first.values()].filter(({ id }) => mayWinUnconfirmed(id, confirmed)));
  const isOne = best?.status === "completed";
  return {
    winner: isOne ? { trial: best, validationLoss: best.validationLoss as number, standardError: null } : undefined,
    confirmed,
    race,
  };
}

/** The winner, if there is one. */
export const chooseWinner = <T extends TrialSummary>(trials: readonly T[], spec: Deciding): Winner<T> | undefined =>
  judge(trials, spec).winner;

/** First runs as they are shown: the winner, others that were confirmed by their means, then the rest as ranked. */
export function standings<T extends TrialSummary>(trials: readonly T[], spec: Deciding): readonly T[] {
  const { winner, confirmed } = judge(trials, spec);
  const places = new Map(confirmed.map(({ id }, place) => [id, place]));
  if (winner !== undefined) places.set(winner.trial.id, -1);
  const last = trials.length;
  const first = rankTrials(trials.filter((trial) => trial.seed === spec.seed));
  return [...first].sort((a, b) => (places.get(a.id) ?? last) - (places.get(b.id) ?? last));
}
