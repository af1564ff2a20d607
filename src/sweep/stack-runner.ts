/**
 * Runs the stacks of a sweep one by one, whoever asks for them: has them trained, again when a
 * worker dies and in parts when the memory is too small, and lets their outcomes count. Remembers
 * what that has taught about the stacks to come. Which of them runs when is scheduler.ts's business.
 */
import { removeCheckpoints } from "../run/checkpoints.ts";
import type { OpenFolder } from "../run/open-folder.ts";
import { trialResult, type TrialResult } from "../run/trial-result.ts";
import { memberKey, type Member } from "../run/trial.ts";
import { rulesOf } from "../spec/complete.ts";
import type { Plan } from "../spec/plan.ts";
import { attempts, maxAttempts, mayBeChance } from "../workers/attempts.ts";
import type { WorkerFailed, WorkerPool } from "../workers/pool.ts";
import type { TaskResult } from "../workers/tasks.ts";
import type { SweepEvent } from "./events.ts";
import { packTrials, type Stack } from "./packing.ts";
import { ruleSets } from "./rules.ts";
import { newsEvent, stackWork, type KeepContext, type StackWork } from "./stack-work.ts";

/** Stacks that fail one after the other before nothing more is tried: it is not the trials that are wrong. */
const maxFailuresInARow = 3;

/** What stacks are trained with, and whom it concerns. */
export interface RunnerContext extends KeepContext {
  /** The run's. */
  readonly folder: OpenFolder;
  /** Makes results count; returns when they are on disk. */
  readonly acknowledge: (results: readonly TrialResult[]) => void;
  readonly pool: Pick<WorkerPool, "run">;
  readonly emit: (event: SweepEvent) => void;
  /** Whether somebody wants the sweep to stop. */
  readonly stopping: () => boolean;
}

/** Why a sweep ended before its last trial. */
export class TooManyFailures extends Error {}

/** How a stack ended that has results, if only that there are none. */
type Ended =
  | { readonly kind: "trained"; readonly result: TaskResult<"train"> }
  /** Each time that it was tried. */
  | { readonly kind: "failed"; readonly reason: string };

/** What became of a stack. */
type StackOutcome =
  | Ended
  /** More than the memory holds; fewer of its trials may fit. */
  | { readonly kind: "too large"; readonly reason: string }
  /** On request; what it had come to is in checkpoints. */
  | { readonly kind: "stopped" };

/** Trains stacks, and remembers what fits the memory, which trials failed, and how many stacks in a row. */
export class StackRunner {
  private readonly plan: Plan;
  private readonly threads: number;
  private readonly context: RunnerContext;
  /** How many stacks have been numbered. */
  private stacks = 0;
  /** How many trials have turned out to fit the memory together. */
  private largest = Infinity;
  private failuresInARow = 0;
  /** Trials that failed in this process: what killed their workers may be gone in the next. */
  private readonly givenUp = new Set<string>();

  /** Each stack is trained with so many threads. */
  constructor(plan: Plan, threads: number, context: RunnerContext) {
    this.plan = plan;
    this.threads = threads;
    this.context = context;
  }

  /** Whether a trial has failed here, so that it is not tried again. */
  hasGivenUp(trial: Member): boolean {
    return this.givenUp.has(memberKey(trial));
  }

  /**
   * Trains a stack, in parts when it is larger than what fits, and lets its outcome count. Rejects with TooManyFailures,
   * with WorkerFailed for what the operating system refuses, and with whatever else the pool and the folder throw.
   */
  async run(stack: Stack): Promise<void> {
    const number = this.stacks++;
    if (this.failuresInARow >= maxFailuresInARow) throw new TooManyFailures(`${this.failuresInARow} stacks failed one after the other`);
    const { members, until } = stack;
    if (members.length > this.largest) {
      for (const part of packTrials(members, this.largest)) await this.run({ members: part, until });
      return;
    }
    const work = stackWork(this.plan, stack, this.threads, this.context);
    const outcome = await this.outcomeOf(stack, work, number);
    if (outcome.kind === "too large") {
      this.largest = Math.min(this.largest, Math.floor(members.length / 2));
      const { reason } = outcome;
      this.context.emit({ event: "stack_halved", stack: number, trials: idsOf(stack), size: this.largest, reason });
      await this.run(stack);
    } else if (outcome.kind !== "stopped") this.settle(stack, work, number, outcome);
  }

  /** Has a worker train a stack, and another when that one dies. */
  private async outcomeOf(stack: Stack, { task }: StackWork, number: number): Promise<StackOutcome> {
    const { pool, folder, emit, stopping } = this.context;
    if (stopping()) return { kind: "stopped" };
    const isTooLarge = ({ outOfMemory }: WorkerFailed): boolean => outOfMemory && stack.members.length > 1;
    const attempted = await attempts({
      run: () => pool.run(task, (news) => emit(newsEvent(news, number, stack.members))),
      most: maxAttempts,
      check: () => folder.check(),
      isWorthAnother: (error) => mayBeChance(error) && !isTooLarge(error),
      isOver: stopping,
      onRetry: (attempt, reason) => emit({ event: "stack_retried", stack: number, attempt, reason }),
    });
    if (attempted.kind === "done") return { kind: "trained", result: attempted.result };
    if (attempted.kind === "stopped") return attempted;
    const { error } = attempted;
    if (!mayBeChance(error)) throw error;
    if (isTooLarge(error)) return { kind: "too large", reason: error.message };
    // Once a stop was asked for nothing counts as failed: the sweep tries it again when it continues.
    return stopping() ? { kind: "stopped" } : { kind: "failed", reason: error.message };
  }

  /** Makes a stack's results count, removes the checkpoints that nobody needs any longer, and says so, in this order. */
  private settle({ members }: Stack, { stem, laneStems }: StackWork, stack: number, outcome: Ended): void {
    const { acknowledge, folder, emit } = this.context;
    const isFailed = outcome.kind === "failed";
    this.failuresInARow = isFailed ? this.failuresInARow + 1 : 0;
    const { spec, dataset } = this.plan;
    const { judged } = ruleSets[rulesOf(spec)];
    const results = members.map((member, lane) =>
      trialResult(member, isFailed ? outcome : judged(outcome.result.outcomes[lane], dataset.vocabSize)),
    );
    acknowledge(results);
    if (members.length > 1) removeCheckpoints(folder, stem);
    results.forEach((trial, lane) => {
      if (trial.status === "failed") this.givenUp.add(memberKey(trial));
      if (trial.status !== "stopped") removeCheckpoints(folder, laneStems[lane]);
      emit({ event: trial.status === "stopped" ? "rung_reached" : "trial_finished", trial });
    });
    emit({ event: "stack_finished", stack, trials: idsOf({ members }), engineSeconds: isFailed ? 0 : outcome.result.engineSeconds });
  }
}

const idsOf = ({ members }: Pick<Stack, "members">): readonly number[] => members.map(({ id }) => id);
