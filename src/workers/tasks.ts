/**
 * What the pool and its workers say to each other: tasks and their results, news of a
 * task that is under way, and how it ended. Plain data in keys, never in paths; how it
 * travels is the pool's business.
 */
import type { Device } from "../engines/engine.ts";
import type { Diagnostic, ErrorKind } from "../errors.ts";
import type { FolderHandle } from "../run/open-folder.ts";
import type { Conditions, Exercise, Reading, Subject } from "../training/coordinates.ts";
import type { Outcome } from "../training/outcome.ts";
import type { StackProgress, Training } from "../training/train.ts";

/** What a worker can be asked for, and what it answers. */
interface Tasks {
  train: {
    readonly task: {
      readonly training: Training;
      /** The step to stop at, when that is not the last. */
      readonly until?: number;
      /** Under which keys and how often the stack is kept while it trains; it goes on from what is kept there already. */
      readonly keep?: Keep;
      /** When given, the final weights of the one lane are kept as safetensors, with this metadata. */
      readonly weights?: { readonly metadata: Readonly<Record<string, string>> };
    };
    /** Outcomes in lane order. */
    readonly result: { readonly outcomes: readonly Outcome[]; readonly engineSeconds: number };
  };
  /** Compiles a training and makes its first steps, which are slower than the rest, so that it can be timed. */
  prepare: { readonly task: { readonly training: Training }; readonly result: object };
  /** Times the steps that a training makes in about so many seconds; the worker must have prepared it last. */
  measure: {
    readonly task: { readonly training: Training; readonly seconds: number };
    readonly result: { readonly secondsPerStep: number };
  };
  /** Trains one model for a few steps under each of some conditions, and reads all its tensors. */
  readings: {
    readonly task: { readonly subject: Subject; readonly conditions: readonly Conditions[]; readonly exercise: Exercise };
    readonly result: readonly Reading[];
  };
  describe: { readonly task: object; readonly result: EngineDescription };
}

/** How often a stack is kept: every so many steps, or whenever so many seconds have passed since it was. */
export interface Interval {
  readonly steps?: number;
  readonly seconds?: number;
}

/** What some checkpoints are called and say of themselves. */
export interface KeptAs {
  /** Among the run's checkpoints, without step and suffix. */
  readonly stem: string;
  readonly identity: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** How a stack is kept while it trains. */
export interface Keep extends KeptAs {
  readonly interval: Interval;
  /** What each lane is kept as by itself: so it was left at the end of an earlier stack, and is left at the end of this one. */
  readonly lanes: readonly KeptAs[];
}

/** What a worker reports of a task that is under way. */
export type News = StackProgress | { readonly resumedAt: number } | { readonly note: string };

/** What kinds of task there are. */
export type TaskKind = keyof Tasks;
/** What a worker is asked for. */
export type Task<K extends TaskKind = TaskKind> = { readonly [P in K]: { readonly kind: P } & Tasks[P]["task"] }[K];
/** What it answers. */
export type TaskResult<K extends TaskKind> = Tasks[K]["result"];

/** What the engine of a worker says of itself. */
export interface EngineDescription {
  readonly version: string;
  readonly device: Device;
}

/** What a worker says, besides nothing at all when it dies. */
export type WorkerMessage =
  | { readonly kind: "news"; readonly news: News }
  | { readonly kind: "done"; readonly result: TaskResult<TaskKind> }
  | { readonly kind: "failed"; readonly reason: string; readonly systemCode?: string | undefined; readonly outOfMemory?: boolean }
  | { readonly kind: "stopped" }
  | { readonly kind: "unavailable"; readonly reason: string }
  /** Something that a user can mend, and that trying again does not. */
  | { readonly kind: "refused"; readonly diagnostics: readonly Diagnostic[]; readonly as: ErrorKind };

/** What a worker is told besides its tasks. */
export interface StopMessage {
  readonly kind: "stop";
}

/** A task as it is sent, with what this worker finds by it the store that the task's keys are of. */
export type TaskMessage = Task & { readonly store?: FolderHandle | undefined };
