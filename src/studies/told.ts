/**
 * Keeps progress.json while something trains in a folder: it follows the study's events, and
 * says at most about once a second what they add up to. It is for people who watch: a run does
 * not fail because this file could not be written, and waits for no disk.
 */
import { UserError } from "../errors.ts";
import type { OpenFolder } from "../run/open-folder.ts";
import { removeProgress, writeProgress } from "../run/outputs.ts";
import { runFiles } from "../run/run-folder.ts";
import type { SweepEvent } from "../sweep/events.ts";
import type { StudyEvent } from "./events.ts";
import { progressRecord, type Besides, type LiveRun } from "./live.ts";
import { Progress } from "./progress.ts";
import type { Setting } from "./setting.ts";

/** Where progress is told, by whoever has the folder. */
export interface Telling {
  readonly folder: OpenFolder;
  /** Throws when the folder is no longer this process's. */
  readonly check: () => void;
  /** What is trained, where that is not the run's own sweep. */
  readonly besides?: Besides;
}

/** Seconds between two writings, and how many times as long as one takes. */
const [leastSeconds, timesAsLong] = [1, 50];

const sweepEvents: { readonly [K in SweepEvent["event"]]: true } = {
  ...{ sweep_started: true, stack_progress: true, stack_resumed: true, stack_note: true, stack_retried: true, stack_halved: true },
  ...{ rung_reached: true, trials_stopped: true, trial_finished: true, seed_added: true, stack_finished: true },
};
const isOfSweep = (event: StudyEvent): event is SweepEvent => event.event in sweepEvents;

/** Does some work that trains, whose events are told in its folder as well; what was told is gone when nothing trains any longer. */
export async function whileTold<T>(
  telling: Telling,
  { emit, now, stopping }: Pick<Setting, "emit" | "now" | "stopping">,
  work: (setting: Pick<Setting, "emit" | "stopping">) => Promise<T>,
): Promise<T> {
  const teller = new Teller(telling, now, emit);
  try {
    return await work({
      stopping,
      emit: (event) => {
        emit(event);
        if (isOfSweep(event)) teller.take(event);
      },
    });
  } finally {
    teller.end();
  }
}

class Teller {
  private readonly telling: Telling;
  private readonly now: () => number;
  private readonly emit: Setting["emit"];
  private readonly progress = new Progress();
  private startedAt: number;
  /** When it may be written next. */
  private nextAt = 0;
  private timer: NodeJS.Timeout | undefined;
  /** Why it could not be written, once that was told. */
  private failed: string | undefined;

  constructor(telling: Telling, now: () => number, emit: Setting["emit"]) {
    this.telling = telling;
    this.now = now;
    this.emit = emit;
    this.startedAt = now();
  }

  take(event: SweepEvent): void {
    this.progress.apply(event);
    if (event.event === "sweep_started") this.startedAt = this.now();
    if (this.timer !== undefined) return;
    const wait = this.nextAt - this.now();
    if (wait <= 0) this.tell();
    else
      this.timer = setTimeout(() => {
        this.timer = undefined;
        this.tell();
      }, wait * 1000).unref();
  }

  end(): void {
    clearTimeout(this.timer);
    this.inFolder(removeProgress);
  }

  private tell(): void {
    const began = this.now();
    this.inFolder((folder) => writeProgress(folder, progressRecord(this.live())));
    const ended = this.now();
    this.nextAt = ended + Math.max(leastSeconds, timesAsLong * (ended - began));
  }

  private live(): LiveRun {
    const { besides } = this.telling;
    // A stack that has not told of its trainings has nothing to show yet.
    const stacks = [...this.progress.running.values()]
      .filter(({ trainings }) => trainings.length > 0)
      .map(({ step, trainings }) => ({ step, trainings }));
    return { ...(besides !== undefined && { besides }), ...this.progress.pace(this.now() - this.startedAt), stacks };
  }

  private inFolder(action: (folder: OpenFolder) => void): void {
    const { folder, check } = this.telling;
    try {
      check();
    } catch (error) {
      if (error instanceof UserError) return; // whoever trains notices as well, and says so
      throw error;
    }
    try {
      action(folder);
      this.failed = undefined;
    } catch (error) {
      const { message, code } = error as NodeJS.ErrnoException;
      if (!(error instanceof UserError) && code === undefined) throw error;
      if (this.failed !== message)
        this.emit({ event: "note", note: `${runFiles.progress} cannot be kept, so that nobody sees what is in training: ${message}` });
      this.failed = message;
    }
  }
}
