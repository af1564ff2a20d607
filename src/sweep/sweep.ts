/**
 * Runs a sweep: whatever its agenda has due, in stacks on the worker pool, bounded by
 * p-limit; each result acknowledged before it is announced. A stack whose worker dies
 * goes on from its last checkpoint; when it keeps dying its trials are recorded as
 * failed, and when one stack after the other does, the sweep stops.
 */
import pLimit from "p-limit";
import type { Plan } from "../spec/plan.ts";
import { jobIdentity } from "../training/checkpoint.ts";
import type { StackJob } from "../training/train.ts";
import { plannedWork, type Agenda, type Due } from "./agenda.ts";
import { checkpointedStacks, checkpointStem, cleanCheckpoints, memberLabels, removeCheckpoints } from "./checkpoints.ts";
import type { OpenFolder } from "./open-folder.ts";
import type { Arrangement } from "./stacking.ts";
import type { RunState } from "./state.ts";
import { trialResult, type TrialResult } from "./trial-result.ts";
import { memberKey, packTrials, stackJob, type Member, type Trial } from "./trials.ts";
import { WorkerFailed, WorkerStopped, type Interval, type KeptAs, type News, type TaskResult, type WorkerPool } from "./worker-pool.ts";

/** How often one stack is tried before its trials count as failed. */
export const maxAttempts = 3;
/** Stacks that fail one after the other before nothing more is tried: it is not the trials that are wrong. */
const maxFailuresInARow = 3;

/** What happens during a sweep, in the order it happens. */
export type SweepEvent =
  | {
      readonly event: "sweep_started";
      readonly name: string;
      /** Trainings: trials, and confirmations of the best. */
      readonly trials: number;
      /** Of them, how many have ended before. */
      readonly resumed: number;
      readonly jobs: number;
      /** Of each model that is trained to its end. */
      readonly steps: number;
      /** Of all trainings together, and how many of them have been made before. */
      readonly trialSteps: number;
      readonly resumedSteps: number;
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
  /** A trial has been trained as far as a rung; whether it goes on is decided later. */
  | { readonly event: "rung_reached"; readonly trial: TrialResult }
  | { readonly event: "trial_finished"; readonly trial: TrialResult }
  | { readonly event: "stack_finished"; readonly stack: number; readonly trials: readonly number[]; readonly engineSeconds: number };

export interface SweepContext {
  readonly folder: OpenFolder;
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

/** Trials that train together, from the same step to the same step. */
interface Stack {
  readonly members: readonly Trial[];
  readonly until: number;
}

/** Trains whatever the agenda has due until there is nothing left; returns whether that is the end of the sweep. */
export async function runSweep(plan: Plan, agenda: Pick<Agenda, "due">, options: Arrangement, context: SweepContext): Promise<boolean> {
  const { state, pool, emit, folder } = context;
  const { name, train, width } = plan.spec;
  const { trainings, trialSteps } = plannedWork(plan.spec);
  const ended = state.trials.filter(({ status }) => status !== "failed" && status !== "stopped");
  emit({
    event: "sweep_started",
    name,
    trials: trainings,
    resumed: ended.length,
    jobs: options.jobs,
    steps: train.steps,
    trialSteps,
    resumedSteps: state.trials.reduce((sum, { status, steps }) => sum + (status === "diverged" ? train.steps : steps), 0),
  });

  /** What has turned out to fit the memory. */
  let largest = Infinity;
  let failuresInARow = 0;
  let stackCount = 0;
  /** Failed in this process: what killed their workers may be gone in the next. */
  const givenUp = new Set<string>();
  const inHand = new Set<string>();
  const begun = checkpointedStacks(folder);

  const runStack = async ({ members, until }: Stack): Promise<void> => {
    const stack = stackCount++;
    if (failuresInARow >= maxFailuresInARow) throw new TooManyFailures(`${failuresInARow} stacks failed one after the other`);
    if (members.length > largest) {
      for (const part of packTrials(members, largest)) await runStack({ members: part, until });
      return;
    }
    const ids = members.map(({ id }) => id);
    const job = stackJob(plan, members, width.proxy, options.threads);
    const keptAs = (each: readonly Trial[], of: StackJob): KeptAs => ({
      stem: checkpointStem(each),
      identity: jobIdentity(of, context.arithmetic),
      labels: memberLabels(each),
    });
    const lanes = members.map((member, lane) => keptAs([member], { ...job, lanes: [job.lanes[lane]] }));
    const keep = { ...keptAs(members, job), folder: folder.handle, interval: context.interval, lanes };
    const onNews = (news: News): void => {
      if ("note" in news) emit({ event: "stack_note", stack, note: news.note });
      else if ("resumedAt" in news) emit({ event: "stack_resumed", stack, trials: ids, step: news.resumedAt });
      else emit({ event: "stack_progress", stack, trials: ids, step: news.step, validationLosses: news.validationLosses });
    };
    const attempt = async (number: number): Promise<TaskResult<"train"> | WorkerFailed | { readonly reason: string } | undefined> => {
      if (context.stopping()) return undefined;
      try {
        return await pool.run({ kind: "train", job, keep, until }, onNews);
      } catch (error) {
        if (error instanceof WorkerStopped) return undefined;
        // Whatever a worker says of a folder that is gone, trying again is of no use.
        folder.check();
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
      return runStack({ members, until });
    }
    failuresInARow = "reason" in result ? failuresInARow + 1 : 0;
    const results = members.map((member, lane) => trialResult(member, "reason" in result ? result : result.outcomes[lane]));
    context.acknowledge(results);
    if (members.length > 1) removeCheckpoints(folder, keep.stem);
    results.forEach((trial, lane) => {
      if (trial.status === "failed") givenUp.add(memberKey(trial));
      if (trial.status !== "stopped") removeCheckpoints(folder, lanes[lane].stem);
      emit({ event: trial.status === "stopped" ? "rung_reached" : "trial_finished", trial });
    });
    emit({ event: "stack_finished", stack, trials: ids, engineSeconds: "reason" in result ? 0 : result.engineSeconds });
  };

  const limit = pLimit(options.jobs);
  const { early_stopping: stopping } = plan.spec.search;
  let waiting: Stack[] = [];
  /** Asks the agenda again; what it names first is trained first. */
  const refill = (): void => {
    const due = agenda.due(state, (trial) => givenUp.has(memberKey(trial)));
    if (stopping !== null && inHand.size === 0) {
      const wanted = new Set(due.map(({ trial }) => memberKey(trial)));
      cleanCheckpoints(folder, (member) => wanted.has(memberKey(member)));
    }
    waiting = packDue(
      due.filter(({ trial }) => !inHand.has(memberKey(trial))),
      state,
      options.stackSize,
      begun,
    );
  };
  await new Promise<void>((resolve, reject) => {
    let open = 0;
    const start = (): void => {
      const count = waiting.length - limit.pendingCount;
      for (let i = 0; i < count; i++) {
        open++;
        limit(runNext).then(() => --open === 0 && resolve(), reject);
      }
    };
    const runNext = async (): Promise<void> => {
      const stack = waiting.shift();
      if (stack === undefined || context.stopping()) return;
      const keys = stack.members.map(memberKey);
      for (const key of keys) inHand.add(key);
      await runStack(stack);
      for (const key of keys) inHand.delete(key);
      if (context.stopping() || (waiting.length > 0 && stopping?.method !== "asha")) return;
      refill();
      start();
    };
    refill();
    start();
    if (open === 0) resolve();
  });
  return agenda.due(state, (trial) => givenUp.has(memberKey(trial))).length === 0;
}

/** Stacks with a checkpoint as they were, then the rest in stacks of `size`, each from one step to one step. */
function packDue(
  due: readonly Due[],
  state: RunState,
  size: number,
  begun: readonly { readonly members: readonly Member[]; readonly step: number }[],
): Stack[] {
  const left = new Map(due.map((each) => [memberKey(each.trial), each]));
  const stepOf = (trial: Member): number => state.of(trial)?.steps ?? 0;
  const stacks: Stack[] = [];
  for (const { members, step } of begun) {
    const found = members.map((member) => left.get(memberKey(member)));
    const [first] = found;
    if (first === undefined || !found.every((each) => each?.until === first.until && step > stepOf(each.trial))) continue;
    for (const member of members) left.delete(memberKey(member));
    stacks.push({ members: found.flatMap((each) => each?.trial ?? []), until: first.until });
  }
  const alike = new Map<string, Due[]>();
  for (const each of left.values()) {
    const key = `${stepOf(each.trial)} ${each.until}`;
    alike.set(key, [...(alike.get(key) ?? []), each]);
  }
  for (const group of alike.values())
    for (const members of packTrials(group, size)) stacks.push({ members: members.map(({ trial }) => trial), until: members[0].until });
  return stacks;
}
