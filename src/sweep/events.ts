/**
 * What a sweep says while it runs: the events of `--events ndjson`, which the display of its
 * progress follows too. Their names and fields are a promise to other programs.
 */
import type { TrialResult } from "../run/trial-result.ts";

/** What a training lost after a step, in nats per token; null when it is no number. */
export interface Evaluation {
  readonly trial: number;
  readonly seed: number;
  readonly step: number;
  readonly validationLoss: number | null;
}

/** What happens during a sweep, in the order it happens. */
export type SweepEvent =
  | {
      readonly event: "sweep_started";
      readonly name: string;
      /** Trainings: trials, and confirmations of the best. */
      readonly trials: number;
      /** How many of them have ended before. */
      readonly resumed: number;
      readonly jobs: number;
      /** Steps of each model that is trained to its end. */
      readonly steps: number;
      /** Steps of all trainings together, and how many of them have been made before. */
      readonly trialSteps: number;
      readonly resumedSteps: number;
      /** That of first runs. */
      readonly seed: number;
      /** The lowest loss of first runs that were completed before, where any was. */
      readonly best?: { readonly trial: number; readonly validationLoss: number };
      /** Steps at which trials are stopped early, where some are. */
      readonly rungs?: readonly number[];
    }
  | {
      readonly event: "stack_progress";
      readonly stack: number;
      readonly trials: readonly number[];
      /** The seed of each of them. */
      readonly seeds: readonly number[];
      readonly step: number;
      readonly validationLosses: readonly (number | null)[];
      /** What was not told yet: at first all that there is, and after a worker's death again from where the next one goes on. */
      readonly evaluations: readonly Evaluation[];
    }
  | { readonly event: "stack_resumed"; readonly stack: number; readonly trials: readonly number[]; readonly step: number }
  | { readonly event: "stack_note"; readonly stack: number; readonly note: string }
  | { readonly event: "stack_retried"; readonly stack: number; readonly attempt: number; readonly reason: string }
  | {
      readonly event: "stack_halved";
      readonly stack: number;
      readonly trials: readonly number[];
      readonly size: number;
      readonly reason: string;
    }
  /** A trial has been trained as far as a rung; whether it goes on is decided later. */
  | { readonly event: "rung_reached"; readonly trial: TrialResult }
  /** Trials go no further than the rungs that they have reached. */
  | { readonly event: "trials_stopped"; readonly trials: readonly number[] }
  | { readonly event: "trial_finished"; readonly trial: TrialResult }
  /** Trials that `seeds` fresh seeds do not tell apart get another. */
  | { readonly event: "seed_added"; readonly trials: readonly number[]; readonly seed: number; readonly seeds: number }
  | { readonly event: "stack_finished"; readonly stack: number; readonly trials: readonly number[]; readonly engineSeconds: number };
