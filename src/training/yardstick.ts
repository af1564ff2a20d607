/**
 * What a training that has come to its end is measured by: what is lost without any training. Owns the two words for
 * those that are no better, `untrained` and `diverged`; how a loss is taken is outcome.ts's business.
 */
import type { Outcome } from "./outcome.ts";

/**
 * Losses within so much of the yardstick's are none the better or worse for their training, in nats: a validation
 * loss is a sample of windows, a few hundredths of a nat off; less with few distinct tokens, where there is less to learn.
 */
export const learningMarginNats = (vocabulary: number): number => Math.min(0.05, 0.02 * Math.log(vocabulary));

/** The lower of what the untrained model loses and ln(vocabulary), in nats: what knowing nothing costs. */
export function untrainedLoss({ curve }: Pick<Outcome, "curve">, vocabulary: number): number {
  const [first] = curve;
  const uniform = Math.log(vocabulary);
  return first?.step === 0 && first.validationLoss !== null ? Math.min(first.validationLoss, uniform) : uniform;
}

/** A completed training as `untrained` when it is no better than its start, and as `diverged` when it is worse; any other as it is. */
export function judged(outcome: Outcome, vocabulary: number): Outcome {
  const { status, validationLoss } = outcome;
  if (status !== "completed" || validationLoss === null) return outcome;
  const margin = learningMarginNats(vocabulary);
  const above = validationLoss - untrainedLoss(outcome, vocabulary);
  if (above > margin) return { ...outcome, status: "diverged", validationLoss: null };
  return above > -margin ? { ...outcome, status: "untrained" } : outcome;
}
