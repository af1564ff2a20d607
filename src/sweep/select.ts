/**
 * Which trial wins, and in which order trials are shown.
 */
import type { TrialSummary } from "./state.ts";

const order = { completed: 0, diverged: 1, failed: 2 } as const;

/**
 * Trials from best to worst: by validation loss, ties to the lower learning rate
 * and then the lower id; diverged and failed trials last.
 */
export function rankTrials<T extends Omit<TrialSummary, "place">>(trials: readonly T[]): readonly T[] {
  const lossOf = ({ validationLoss }: T): number => validationLoss ?? Infinity;
  return [...trials].sort(
    (a, b) =>
      order[a.status] - order[b.status] ||
      (lossOf(a) === lossOf(b) ? a.learningRate - b.learningRate || a.id - b.id : lossOf(a) - lossOf(b)),
  );
}

/** The completed trial with the lowest validation loss, if any completed. */
export function selectBest<T extends Omit<TrialSummary, "place">>(trials: readonly T[]): T | undefined {
  const first = rankTrials(trials)[0];
  return first?.status === "completed" ? first : undefined;
}
