/**
 * One trial as results.json and the journal record it: what was tried, how it
 * ended, and its loss curve. Losses are in nats per token; a loss that is not
 * finite is null, never NaN.
 */
import { z } from "zod";
import type { Hyperparameters } from "../parametrization/roles.ts";
import type { CurvePoint, Outcome } from "../training/outcome.ts";
import type { Trial } from "./trial.ts";

const loss = z.number().nullable();
/** The form of a loss curve in records: losses at some steps, in ascending order. */
export const curveSchema = z.array(z.strictObject({ step: z.int(), training_loss: loss, validation_loss: loss }));

/** Which hyperparameters there are is possible.ts's business. */
export const hyperparametersSchema: z.ZodType<Hyperparameters> = z.record(z.string(), z.number());

/** The form of a record; whether any run comes to what it says is possible.ts's business. */
export const trialResultSchema = z.strictObject({
  id: z.int(),
  seed: z.int(),
  hyperparameters: hyperparametersSchema,
  status: z.enum(["completed", "stopped", "untrained", "diverged", "failed"]),
  validation_loss: loss,
  /** Steps made. */
  steps: z.int(),
  curve: curveSchema,
  /** Why the trial failed. */
  reason: z.string().optional(),
});
/** How a trial ended, as records hold it. */
export type TrialResult = z.infer<typeof trialResultSchema>;

/** Whether a trial has a loss, were it that of one that learned nothing. */
export const hasLoss = (trial: Pick<TrialResult, "status">): boolean => isSound(trial) || trial.status === "untrained";

/** Whether a trial has a loss that it may win by. */
export const isSound = ({ status }: Pick<TrialResult, "status">): boolean => status === "completed" || status === "stopped";

/** A curve as records hold it. */
export function curveRecord(curve: readonly CurvePoint[]): TrialResult["curve"] {
  return curve.map(({ step, trainingLoss, validationLoss }) => ({ step, training_loss: trainingLoss, validation_loss: validationLoss }));
}

/** A trial with its outcome, or with the reason it has none. */
export function trialResult({ id, seed, hyperparameters }: Trial, outcome: Outcome | { readonly reason: string }): TrialResult {
  const trial = { id, seed, hyperparameters };
  if ("reason" in outcome) return { ...trial, status: "failed", validation_loss: null, steps: 0, curve: [], reason: outcome.reason };
  return {
    ...trial,
    status: outcome.status,
    validation_loss: outcome.validationLoss,
    steps: outcome.steps,
    curve: curveRecord(outcome.curve),
  };
}
