/**
 * What the rules of a run decide, as a table: what a training that came to its end is called, and who wins among trials
 * that were trained again. Runs go on under the rules that they were begun with.
 */
import type { Rules } from "../spec/schema.ts";
import type { Outcome } from "../training/outcome.ts";
import { judged } from "../training/yardstick.ts";
import type { Confirmed, Decision, FreshSeeds } from "./confirmed.ts";
import { seedDeviation } from "./deviation.ts";
import { decideByRacing } from "./racing.ts";

interface RuleSet {
  /** An outcome by its name; `vocabulary` is the number of distinct tokens. */
  readonly judged: (outcome: Outcome, vocabulary: number) => Outcome;
  /** Who wins among trials that were confirmed. */
  readonly decide: (confirmed: readonly Confirmed[], fresh: FreshSeeds) => Decision;
  /** Whether a trial may win by its first run, where no confirmed trial has completed on all of its seeds. */
  readonly mayWinUnconfirmed: (id: number, confirmed: readonly Confirmed[]) => boolean;
}

/** The rules of runs, by their number. */
export const ruleSets: { readonly [R in Rules]: RuleSet } = {
  1: { judged: (outcome) => outcome, decide: decideByLowestRate, mayWinUnconfirmed: () => true },
  2: {
    judged,
    decide: decideByRacing,
    // What fresh seeds have refuted has not won by its first one, nor has what was not even confirmed.
    mayWinUnconfirmed: (id, confirmed) => confirmed.length === 0 || confirmed.some((each) => each.id === id && !each.isRefuted),
  },
};

/** The best mean over fresh seeds, a tie within one pooled standard error going to the lowest learning rate. */
function decideByLowestRate(unordered: readonly Confirmed[]): Decision {
  const confirmed = [...unordered].sort((a, b) => (a.meanLoss ?? Infinity) - (b.meanLoss ?? Infinity) || a.id - b.id);
  const best = confirmed.find(({ meanLoss }) => meanLoss !== null);
  if (best === undefined) return { confirmed, winner: undefined, race: undefined };
  const standardError = (seedDeviation(confirmed) ?? 0) / Math.sqrt(best.seeds.length);
  const bound = (best.meanLoss ?? 0) + standardError;
  const [winner] = confirmed
    .filter(({ meanLoss }) => meanLoss !== null && meanLoss <= bound)
    .sort((a, b) => a.learningRate - b.learningRate || (a.meanLoss ?? 0) - (b.meanLoss ?? 0) || a.id - b.id);
  return { confirmed, winner: { id: winner.id, standardError }, race: undefined };
}
