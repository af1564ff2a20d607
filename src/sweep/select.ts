/**
 * Which trial wins, and in which order trials are shown.
 */
import type { TrialResult } from "./trial-result.ts";

/**
 * Trials from best to worst: by validation loss, ties to the lower learning rate
 * and then the lower id; diverged and failed trials last.
 */
export function rankTrials(trials: readonly TrialResult[]): readonly TrialResult[] {
  const lossOf = ({ validation_loss: lossNats }: TrialResult): number => lossNats ?? Infinity;
  const rate = ({ hyperparameters }: TrialResult): number => hyperparameters["learning_rate"] ?? 0;
  const order = { completed: 0, diverged: 1, failed: 2 } as const;
  return [...trials].sort(
    (a, b) => order[a.status] - order[b.status] || (lossOf(a) === lossOf(b) ? rate(a) - rate(b) || a.id - b.id : lossOf(a) - lossOf(b)),
  );
}

/** The completed trial with the lowest validation loss, if any completed. */
export function selectBest(trials: readonly TrialResult[]): TrialResult | undefined {
  const first = rankTrials(trials)[0];
  return first?.status === "completed" ? first : undefined;
}
