/**
 * How far a sweep's figures can be taken for more than its training text: how often that was
 * seen, and how far the winner's training and validation loss have parted.
 */
import type { TrialSummary } from "../run/state.ts";
import type { CompleteSpec } from "../spec/complete.ts";
import { mean, pooledDeviation, studentBound } from "../statistics.ts";
import { chooseWinner } from "./select.ts";

/** How far the losses on training and on validation text are apart; means over seeds, in nats. */
export interface Parting {
  readonly trainingLoss: number;
  readonly validationLoss: number;
  /** Half the range within which the difference's mean over seeds lies at 95 %; null with one seed. */
  readonly errorNats: number | null;
}

/** How far figures can be taken for more than the text that was trained on. */
export interface Generalization {
  /** How often a training sees its text; undefined for a run that does not say how long that is. */
  readonly passes: number | undefined;
  /** How far the winner's losses have parted by the last step, when seeds, a sample of windows and another text do not explain it. */
  readonly parting: Parting | undefined;
}

/**
 * A difference below this says nothing: validation is a sample of windows (a few hundredths of
 * a nat), of another part of the text, and after the steps that the training loss is the mean of.
 */
const leastPartingNats = 0.1;

/** Tokens that a training reads, as a multiple of those that there are. */
export const passesOf = ({ train, model }: Pick<CompleteSpec, "train" | "model">, trainingTokens: number): number =>
  (train.steps * train.batch * model.context) / trainingTokens;

/** What is to be said of a run with some trials ended, on so many tokens. */
export function generalizationOf(spec: CompleteSpec, trainingTokens: number | undefined, trials: readonly TrialSummary[]): Generalization {
  const passes = trainingTokens === undefined ? undefined : passesOf(spec, trainingTokens);
  const winner = chooseWinner(trials, spec)?.trial.id;
  return { passes, parting: partingOf(trials.filter(({ id, status }) => id === winner && status === "completed")) };
}

/** How far the losses of trainings that differ in their seeds only have parted; undefined when that says nothing. */
export function partingOf(runs: readonly Pick<TrialSummary, "trainingLoss" | "validationLoss">[]): Parting | undefined {
  const known = runs.flatMap(({ trainingLoss, validationLoss }) =>
    trainingLoss === null || validationLoss === null ? [] : [{ trainingLoss, validationLoss }],
  );
  if (known.length === 0) return undefined;
  const partings = known.map(({ trainingLoss, validationLoss }) => validationLoss - trainingLoss);
  const deviation = pooledDeviation([partings]);
  const errorNats = deviation === null ? null : (studentBound(0.025, known.length - 1) * deviation) / Math.sqrt(known.length);
  if (mean(partings) < Math.max(leastPartingNats, errorNats ?? 0)) return undefined;
  return {
    trainingLoss: mean(known.map(({ trainingLoss }) => trainingLoss)),
    validationLoss: mean(known.map(({ validationLoss }) => validationLoss)),
    errorNats,
  };
}
