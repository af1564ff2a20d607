/**
 * One trial as results.json and the journal record it: what was tried, how it
 * ended, and its loss curve. Losses are in nats per token; a loss that is not
 * finite is null, never NaN.
 */
import { z } from "zod";
import type { CurvePoint, Outcome } from "../training/outcome.ts";
import type { Trial } from "./trials.ts";

const loss = z.number().nullable();
export const curveSchema = z.array(z.strictObject({ step: z.int(), training_loss: loss, validation_loss: loss }));

/** The form of a record; whether any run comes to what it says is possible.ts's business. */
export const trialResultSchema = z.strictObject({
  id: z.int(),
  seed: z.int(),
  hyperparameters: z.record(z.string(), z.number()),
  status: z.enum(["completed", "stopped", "diverged", "failed"]),
  validation_loss: loss,
  /** Steps made. */
  steps: z.int(),
  curve: curveSchema,
  /** Why the trial failed. */
  reason: z.string().optional(),
});
export type TrialResult = z.infer<typeof trialResultSchema>;

export function curveRecord(curve: readonly CurvePoint[]): TrialResult["curve"] {
  return curve.map(({ step, trainingLoss, validationLoss }) => ({ step, training_loss: trainingLoss, validation_loss: validationLoss }));
}

/** A trial with its outcome, or with the reason it has none. */
export function trialResult({ id, seed, hyperparameters: tried }: Trial, outcome: Outcome | { readonly reason: string }): TrialResult {
  const trial = { id, seed, hyperparameters: { ...tried } as Record<string, number> };
  if ("reason" in outcome) return { ...trial, status: "failed", validation_loss: null, steps: 0, curve: [], reason: outcome.reason };
  return {
    ...trial,
    status: outcome.status,
    validation_loss: outcome.validationLoss,
    steps: outcome.steps,
    curve: curveRecord(outcome.curve),
  };
}
