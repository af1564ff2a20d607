/**
 * Runs a sweep: every stack on the worker pool, bounded by p-limit, each ended
 * trial in the journal before it is announced. A stack whose worker dies is tried
 * again; when it keeps dying its trials are recorded as failed.
 */
import pLimit from "p-limit";
import type { Plan } from "../spec/plan.ts";
import type { Journal } from "./journal.ts";
import type { Arrangement } from "./stacking.ts";
import { trialResult, type TrialResult } from "./trial-result.ts";
import { packTrials, stackJob, type Trial } from "./trials.ts";
import { WorkerFailed, type TaskResult, type WorkerPool } from "./worker-pool.ts";

/** How often one stack is tried before its trials count as failed. */
const maxAttempts = 3;

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

/** Trains all trials that the journal does not hold yet; returns every trial's result in id order. */
export async function runSweep(
  plan: Plan,
  trials: readonly Trial[],
  options: Arrangement,
  { journal, pool, emit }: { readonly journal: Journal; readonly pool: WorkerPool; readonly emit: (event: SweepEvent) => void },
): Promise<readonly TrialResult[]> {
  // Failed trials are tried again: what killed their workers may be gone.
  const results = new Map([...journal.replay.trials].filter(([, { status }]) => status !== "failed"));
  const pending = trials.filter(({ id }) => !results.has(id));
  const stacks = packTrials(pending, options.stackSize);
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
  let largest = options.stackSize;
  let stackCount = stacks.length;
  const runStack = async (members: readonly Trial[], stack: number): Promise<void> => {
    if (members.length > largest) {
      const [first, ...rest] = packTrials(members, largest);
      await runStack(first, stack);
      for (const part of rest) await runStack(part, stackCount++);
      return;
    }
    const ids = members.map(({ id }) => id);
    const job = stackJob(plan, members, width.proxy, options.threads);
    const attempt = async (number: number): Promise<TaskResult<"train"> | WorkerFailed | { readonly reason: string }> => {
      try {
        return await pool.run({ kind: "train", job }, ({ step, validationLosses }) =>
          emit({ event: "stack_progress", stack, trials: ids, step, validationLosses }),
        );
      } catch (error) {
        if (!(error instanceof WorkerFailed)) throw error;
        if (error.outOfMemory && members.length > 1) return error;
        if (number === maxAttempts) return { reason: error.message };
        emit({ event: "stack_retried", stack, attempt: number + 1, reason: error.message });
        return attempt(number + 1);
      }
    };
    const result = await attempt(1);
    if (result instanceof WorkerFailed) {
      largest = Math.min(largest, Math.floor(members.length / 2));
      emit({ event: "stack_halved", stack, trials: ids, size: largest, reason: result.message });
      return runStack(members, stack);
    }
    members.forEach((member, lane) => {
      const trial = trialResult(member, "reason" in result ? result : result.outcomes[lane]);
      journal.append(trial);
      results.set(trial.id, trial);
      emit({ event: "trial_finished", trial });
    });
    emit({ event: "stack_finished", stack, trials: ids, engineSeconds: "reason" in result ? 0 : result.engineSeconds });
  };

  const limit = pLimit(options.jobs);
  await Promise.all(stacks.map((members, stack) => limit(runStack, members, stack)));
  return trials.map(({ id }) => results.get(id) as TrialResult);
}
