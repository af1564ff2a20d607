/**
 * How far a run has come that is going on: what is in training now, as the process that
 * trains it last wrote it down. What has ended is in the journal, and not here.
 */
import { readHolder } from "../run/lock.ts";
import type { OpenFolder } from "../run/open-folder.ts";
import { readRecord } from "../run/outputs.ts";
import type { ProgressRecord } from "../run/progress-record.ts";
import { runFiles } from "../run/run-folder.ts";
import type { RunState } from "../run/state.ts";
import type { Member } from "../run/trial.ts";

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

/** What is trained after a sweep, as people call it: `target of width 64`. Its trainings are numbered by themselves. */
export interface Besides {
  readonly kind: "check" | "target";
  readonly name: string;
}

/** A run that goes on. */
export interface LiveRun {
  /** What is trained, where that is not the run's own sweep but comes after it. */
  readonly besides?: Besides;
  /** Steps of all trainings that have been made, as a share of those that are planned. */
  readonly fraction: number;
  /** Steps of single models a second; null before any has been made here. */
  readonly stepsPerSecond: number | null;
  readonly secondsLeft: number | null;
  readonly stacks: readonly LiveStack[];
}

/** What is written down of a run that goes on. */
export const progressRecord = ({ besides, fraction, stepsPerSecond, secondsLeft, stacks }: LiveRun): ProgressRecord => ({
  version: 1,
  ...(besides !== undefined && { besides }),
  fraction,
  steps_per_second: stepsPerSecond,
  seconds_left: secondsLeft,
  stacks: stacks.map(({ step, trainings }) => ({
    step,
    trainings: trainings.map(({ trial, seed, curve }) => ({
      trial,
      seed,
      curve: curve.map((point) => ({ step: point.step, validation_loss: point.validationLoss })),
    })),
  })),
});

const liveOf = (record: ProgressRecord): LiveRun => ({
  ...(record.besides !== undefined && { besides: record.besides }),
  fraction: record.fraction,
  stepsPerSecond: record.steps_per_second,
  secondsLeft: record.seconds_left,
  stacks: record.stacks.map(({ step, trainings }) => ({
    step,
    trainings: trainings.map(({ trial, seed, curve }) => ({
      trial,
      seed,
      curve: curve.map((point) => ({ step: point.step, validationLoss: point.validation_loss })),
    })),
  })),
});

/** Whether a journal says of a training that it has ended, and not only come to a rung. */
export const hasEndedIn =
  (state: RunState) =>
  (member: Member): boolean =>
    (state.of(member)?.status ?? "stopped") !== "stopped";

/**
 * What is in training in a folder; undefined when no process trains there, or what it wrote is nonsense, which
 * `problem` is told of. A sweep's training that has ended by now is left out: the journal has it.
 */
export function readLive(
  folder: OpenFolder,
  hasEnded: (member: Member) => boolean,
  problem: (text: string) => void = () => undefined,
): LiveRun | undefined {
  if (readHolder(folder)?.running !== true) return undefined;
  const found = readRecord(folder, "progress");
  if (found === undefined) return undefined;
  if ("problem" in found) {
    problem(`${runFiles.progress} is left out: ${found.problem}`);
    return undefined;
  }
  const live = liveOf(found.record);
  if (live.besides !== undefined) return live;
  const stacks = live.stacks
    .map(({ step, trainings }) => ({ step, trainings: trainings.filter(({ trial: id, seed }) => !hasEnded({ id, seed })) }))
    .filter(({ trainings }) => trainings.length > 0);
  return { ...live, stacks };
}
