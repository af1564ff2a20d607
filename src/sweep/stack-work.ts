/**
 * One stack as work for a worker: the task it is given, what its checkpoints are called and say
 * of themselves, and what the worker's news of it is as events. How often it is tried, and what
 * its outcome does, is stack-runner.ts's business.
 */
import { checkpointStem, memberLabels } from "../run/checkpoints.ts";
import type { Member, Trial } from "../run/trial.ts";
import { sizesOf, type Plan } from "../spec/plan.ts";
import { trainingOf } from "../spec/training.ts";
import { trainingIdentity } from "../training/checkpoint.ts";
import type { Training } from "../training/train.ts";
import type { Interval, KeptAs, News, Task } from "../workers/tasks.ts";
import type { SweepEvent } from "./events.ts";
import type { Stack } from "./packing.ts";

/** Where a sweep's stacks are kept while they train, as what, and how often. */
export interface KeepContext {
  /** Names the engine and device, as the journal does. */
  readonly arithmetic: string;
  readonly interval: Interval;
}

/** What a stack is to a worker, and to the folder of its checkpoints. */
export interface StackWork {
  readonly task: Task<"train">;
  /** What the stack's checkpoints are called. */
  readonly stem: string;
  /** What those of each trial for itself are called, in the order of the stack. */
  readonly laneStems: readonly string[];
}

/** The work of training a stack of proxies on so many threads. */
export function stackWork(plan: Plan, { members, until }: Stack, threads: number, context: KeepContext): StackWork {
  const training = trainingOf(plan, members, sizesOf(plan.spec).proxy, threads);
  const keptAs = (each: readonly Trial[], of: Training): KeptAs => ({
    stem: checkpointStem(each),
    identity: trainingIdentity(of, context.arithmetic),
    labels: memberLabels(each),
  });
  const lanes = members.map((member, lane) => keptAs([member], { ...training, lanes: [training.lanes[lane]] }));
  const keep = { ...keptAs(members, training), interval: context.interval, lanes };
  return { task: { kind: "train", training, keep, until }, stem: keep.stem, laneStems: lanes.map(({ stem }) => stem) };
}

/** What a worker reports of a stack, by the stack's number and its trials. */
export function newsEvent(news: News, stack: number, members: readonly Member[]): SweepEvent {
  const trials = members.map(({ id }) => id);
  if ("note" in news) return { event: "stack_note", stack, note: news.note };
  if ("resumedAt" in news) return { event: "stack_resumed", stack, trials, step: news.resumedAt };
  const { step, validationLosses } = news;
  const evaluations = news.evaluations.map(({ lane, ...point }) => ({ trial: members[lane].id, seed: members[lane].seed, ...point }));
  return { event: "stack_progress", stack, trials, seeds: members.map(({ seed }) => seed), step, validationLosses, evaluations };
}
