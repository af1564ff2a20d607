/**
 * Trains one job to its end, as the target and the check before it are: from its last
 * checkpoint if there is one, again when its worker dies, and with its progress shown.
 */
import { exitCodes } from "../errors.ts";
import { SweepProgress } from "../report/progress.ts";
import type { Lock } from "../sweep/lock.ts";
import type { OpenFolder } from "../sweep/open-folder.ts";
import { maxAttempts, type SweepEvent } from "../sweep/sweep.ts";
import { WorkerFailed, WorkerStopped, type Interval, type News, type Task, type WorkerPool } from "../sweep/worker-pool.ts";
import { jobIdentity } from "../training/checkpoint.ts";
import type { Outcome } from "../training/outcome.ts";
import type { StackJob } from "../training/train.ts";
import { stopGently } from "./continue.ts";
import { whileInPlace } from "./in-place.ts";
import { Interrupted, untilSignal } from "./interrupt.ts";
import type { Terminal } from "./terminal.ts";

export interface JobContext {
  /** The run's. */
  readonly folder: OpenFolder;
  /** The folder's. */
  readonly lock: Pick<Lock, "check">;
  readonly pool: WorkerPool;
  /** Names the engine and device, as the journal does. */
  readonly arithmetic: string;
  readonly interval: Interval;
  readonly terminal: Terminal;
  readonly quiet: boolean;
}

/** The outcome of each lane; `stem` is what its checkpoints are called. With metadata, its weights are written as well. Throws Interrupted after a signal. */
export async function trainJob(
  name: string,
  job: StackJob,
  stem: string,
  { folder, lock, pool, arithmetic, interval, terminal, quiet }: JobContext,
  weightsMetadata?: Readonly<Record<string, string>>,
): Promise<readonly Outcome[]> {
  const say = (text: string): void => (quiet ? undefined : terminal.err(`${text}\n`));
  const progress = new SweepProgress(terminal.now());
  const apply = (event: SweepEvent): void => {
    const line = progress.apply(event, terminal.errStyle);
    if (line !== undefined) say(line);
  };
  const { steps } = job.train;
  const trials = job.lanes.map((_, lane) => lane);
  apply({
    event: "sweep_started",
    name,
    trials: trials.length,
    resumed: 0,
    jobs: 1,
    steps,
    trialSteps: steps * trials.length,
    resumedSteps: 0,
  });
  const keep = { folder: folder.handle, stem, identity: jobIdentity(job, arithmetic), labels: {}, interval, lanes: [] };
  const weights = weightsMetadata && { folder: folder.handle, metadata: weightsMetadata };
  const task: Task<"train"> = { kind: "train", job, keep, ...(weights && { weights }) };
  if (!quiet) terminal.live(progress);
  try {
    return await untilSignal(
      async (stop) => {
        for (let number = 1; ; number++) {
          try {
            return (await whileInPlace(lock, () => pool.run(task, (news) => apply(eventOf(news, trials))))).outcomes;
          } catch (error) {
            if (error instanceof WorkerStopped) throw new Interrupted(stop.exitCode ?? exitCodes.interrupted);
            // Whatever a worker says of a folder that is gone or another's, trying again is of no use.
            lock.check();
            const isWorthRetrying = error instanceof WorkerFailed && error.systemCode === undefined && number < maxAttempts;
            if (!isWorthRetrying || stop.exitCode !== undefined) throw error;
            apply({ event: "stack_retried", stack: 0, attempt: number + 1, reason: error.message });
          }
        }
      },
      () => stopGently(pool, say),
    );
  } finally {
    terminal.rest();
  }
}

function eventOf(news: News, trials: readonly number[]): SweepEvent {
  if ("note" in news) return { event: "stack_note", stack: 0, note: news.note };
  if ("resumedAt" in news) return { event: "stack_resumed", stack: 0, trials, step: news.resumedAt };
  return { event: "stack_progress", stack: 0, trials, ...news };
}
