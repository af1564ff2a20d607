/**
 * Runs a sweep: every stack on the worker pool, bounded by p-limit, each ended trial
 * acknowledged before it is announced. A stack whose worker dies goes on from its last
 * checkpoint; when it keeps dying its trials are recorded as failed, and when one stack
 * after the other does, the sweep stops.
 */
import pLimit from "p-limit";
import type { Plan } from "../spec/plan.ts";
import { jobIdentity } from "../training/checkpoint.ts";
import { checkpointedStacks, checkpointStem, memberLabels, removeCheckpoints } from "./checkpoints.ts";
import type { Arrangement } from "./stacking.ts";
import type { RunState } from "./state.ts";
import { trialResult, type TrialResult } from "./trial-result.ts";
import { packTrials, stackJob, type Trial } from "./trials.ts";
import { WorkerFailed, WorkerStopped, type Interval, type News, type TaskResult, type WorkerPool } from "./worker-pool.ts";

/** How often one stack is tried before its trials count as failed. */
export const maxAttempts = 3;
/** Stacks that fail one after the other before nothing more is tried: it is not the trials that are wrong. */
const maxFailuresInARow = 3;

/** What happens during a sweep, in the order it happens. */
export type SweepEvent =
  | {
      readonly event: "sweep_started";
      readonly name: string;
      readonly trials: number;
      readonly resumed: number;
      readonly stacks: number;
      readonly jobs: number;
      readonly steps: number;
    }
  | {
      readonly event: "stack_progress";
      readonly stack: number;
      readonly trials: readonly number[];
      readonly step: number;
      readonly validationLosses: readonly (number | null)[];
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
  | { readonly event: "trial_finished"; readonly trial: TrialResult }
  | { readonly event: "stack_finished"; readonly stack: number; readonly trials: readonly number[]; readonly engineSeconds: number };

export interface SweepContext {
  readonly folder: string;
  readonly state: RunState;
  /** Makes results count; returns when they are on disk. */
  readonly acknowledge: (results: readonly TrialResult[]) => void;
  readonly pool: WorkerPool;
  readonly emit: (event: SweepEvent) => void;
  /** Names the engine and device, as the journal does. */
  readonly arithmetic: string;
  readonly interval: Interval;
  /** Whether somebody wants the sweep to stop. */
  readonly stopping: () => boolean;
}

/** Why a sweep ended before its last trial. */
export class TooManyFailures extends Error {}

/** Trains all trials that have not ended yet; returns whether all of them have ended now. */
export async function runSweep(plan: Plan, trials: readonly Trial[], options: Arrangement, context: SweepContext): Promise<boolean> {
  const { state, pool, emit, folder } = context;
  // Failed trials are tried again: what killed their workers may be gone.
  const isPending = (trial: Pick<Trial, "id" | "seed">): boolean => (state.of(trial)?.status ?? "failed") === "failed";
  const pending = trials.filter(isPending);
  const stacks = packPending(folder, pending, options.stackSize);
  const { name, train, width } = plan.spec;
  emit({
    event: "sweep_started",
    name,
    trials: trials.length,
    resumed: trials.length - pending.length,
    stacks: stacks.length,
    jobs: options.jobs,
    steps: train.steps,
  });

  /** What has turned out to fit the memory. */
  let largest = Infinity;
  let stackCount = stacks.length;
  let failuresInARow = 0;
  const runStack = async (members: readonly Trial[], stack: number): Promise<void> => {
    if (context.stopping()) return;
    if (failuresInARow >= maxFailuresInARow) throw new TooManyFailures(`${failuresInARow} stacks failed one after the other`);
    if (members.length > largest) {
      const [first, ...rest] = packTrials(members, largest);
      await runStack(first, stack);
      for (const part of rest) await runStack(part, stackCount++);
      return;
    }
    const ids = members.map(({ id }) => id);
    const job = stackJob(plan, members, width.proxy, options.threads);
    const stem = checkpointStem(folder, members);
    const keep = { stem, identity: jobIdentity(job, context.arithmetic), labels: memberLabels(members), interval: context.interval };
    const onNews = (news: News): void => {
      if ("note" in news) emit({ event: "stack_note", stack, note: news.note });
      else if ("resumedAt" in news) emit({ event: "stack_resumed", stack, trials: ids, step: news.resumedAt });
      else emit({ event: "stack_progress", stack, trials: ids, step: news.step, validationLosses: news.validationLosses });
    };
    const attempt = async (number: number): Promise<TaskResult<"train"> | WorkerFailed | { readonly reason: string } | undefined> => {
      try {
        return await pool.run({ kind: "train", job, keep }, onNews);
      } catch (error) {
        if (error instanceof WorkerStopped) return undefined;
        if (!(error instanceof WorkerFailed) || error.systemCode !== undefined) throw error;
        if (error.outOfMemory && members.length > 1) return error;
        if (context.stopping()) return undefined;
        if (number === maxAttempts) return { reason: error.message };
        emit({ event: "stack_retried", stack, attempt: number + 1, reason: error.message });
        return attempt(number + 1);
      }
    };
    const result = await attempt(1);
    if (result === undefined) return;
    if (result instanceof WorkerFailed) {
      largest = Math.min(largest, Math.floor(members.length / 2));
      emit({ event: "stack_halved", stack, trials: ids, size: largest, reason: result.message });
      return runStack(members, stack);
    }
    failuresInARow = "reason" in result ? failuresInARow + 1 : 0;
    const results = members.map((member, lane) => trialResult(member, "reason" in result ? result : result.outcomes[lane]));
    context.acknowledge(results);
    removeCheckpoints(stem);
    for (const trial of results) emit({ event: "trial_finished", trial });
    emit({ event: "stack_finished", stack, trials: ids, engineSeconds: "reason" in result ? 0 : result.engineSeconds });
  };

  const limit = pLimit(options.jobs);
  await Promise.all(stacks.map((members, stack) => limit(runStack, members, stack)));
  return trials.every((trial) => state.of(trial) !== undefined);
}

/** Stacks with a checkpoint first, as they were, then what is left in stacks of `size`. */
function packPending(folder: string, pending: readonly Trial[], size: number): readonly (readonly Trial[])[] {
  const left = new Map(pending.map((trial) => [`${trial.id}/${trial.seed}`, trial]));
  const begun = checkpointedStacks(folder).flatMap(({ members }) => {
    const trials = members.map(({ id, seed }) => left.get(`${id}/${seed}`));
    if (!trials.every((trial) => trial !== undefined)) return [];
    for (const { id, seed } of members) left.delete(`${id}/${seed}`);
    return [trials];
  });
  return [...begun, ...packTrials([...left.values()], size)];
}
