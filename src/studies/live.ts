/**
 * How far a run has come that is going on: what is in training now, as the process that
 * trains it last wrote it down. What has ended is in the journal, and not here.
 */

/** One point of a training's curve; the loss is null where it is no number. */
export interface LivePoint {
  readonly step: number;
  readonly validationLoss: number | null;
}

/** A training that has not ended. */
export interface LiveTraining {
  readonly trial: number;
  readonly seed: number;
  readonly curve: readonly LivePoint[];
}

/** A stack in training, and the step that it is at. */
export interface LiveStack {
  readonly step: number;
  readonly trainings: readonly LiveTraining[];
}

/** A run that goes on. */
export interface LiveRun {
  /** Steps of all trainings that have been made, as a share of those that are planned. */
  readonly fraction: number;
  /** Steps of single models a second; null before any has been made here. */
  readonly stepsPerSecond: number | null;
  readonly secondsLeft: number | null;
  readonly stacks: readonly LiveStack[];
}
