/**
 * Trains one stack to its end, as the target and the check before it are: from its last
 * checkpoint if there is one, and again when its worker dies.
 */
import { whileInPlace } from "../run/in-place.ts";
import type { Lock } from "../run/lock.ts";
import type { OpenFolder } from "../run/open-folder.ts";
import { newsEvent } from "../sweep/stack-work.ts";
import { trainingIdentity } from "../training/checkpoint.ts";
import type { Outcome } from "../training/outcome.ts";
import type { Training } from "../training/train.ts";
import { attempts, maxAttempts, resultOf } from "../workers/attempts.ts";
import type { WorkerPool } from "../workers/pool.ts";
import type { Interval, Task } from "../workers/tasks.ts";
import type { Setting } from "./setting.ts";
import { Stopped } from "./stopping.ts";
import { whileTold } from "./told.ts";
import { whileTraining } from "./training.ts";

/** Where and with what a single stack is trained. */
export interface Bench {
  /** The run's. */
  readonly folder: OpenFolder;
  /** The folder's. */
  readonly lock: Pick<Lock, "check">;
  readonly pool: WorkerPool;
  /** Names the engine and device, as the journal does. */
  readonly arithmetic: string;
  readonly checkpoint: Interval;
  readonly setting: Setting;
}

/**
 * The outcome of each lane; `stem` is what its checkpoints are called. With metadata, its weights are written as well.
 * Throws Stopped when it was stopped before its end.
 */
export async function trainOne(
  name: string,
  training: Training,
  stem: string,
  { folder, lock, pool, arithmetic, checkpoint, setting }: Bench,
  weightsMetadata?: Readonly<Record<string, string>>,
): Promise<readonly Outcome[]> {
  const { steps } = training.train;
  const members = training.lanes.map(({ seed }, id) => ({ id, seed }));
  const trialSteps = steps * members.length;
  const keep = { stem, identity: trainingIdentity(training, arithmetic), labels: {}, interval: checkpoint, lanes: [] };
  const task: Task<"train"> = { kind: "train", training, keep, ...(weightsMetadata && { weights: { metadata: weightsMetadata } }) };
  const train = (told: Pick<Setting, "emit" | "stopping">): Promise<readonly Outcome[]> =>
    whileTraining(pool, told, async (stop) => {
      const { emit } = told;
      const { seed } = members[0];
      emit({ event: "sweep_started", name, trials: members.length, resumed: 0, jobs: 1, steps, trialSteps, resumedSteps: 0, seed });
      const attempted = await attempts({
        run: () => whileInPlace(lock, () => pool.run(task, (news) => emit(newsEvent(news, 0, members)))),
        most: maxAttempts,
        check: () => lock.check(),
        isOver: () => stop.asked,
        onRetry: (attempt, reason) => emit({ event: "stack_retried", stack: 0, attempt, reason }),
      });
      if (attempted.kind === "stopped") throw new Stopped();
      return resultOf(attempted).outcomes;
    });
  // A target is what leaves weights.
  const besides = { kind: weightsMetadata === undefined ? "check" : "target", name } as const;
  return whileTold({ folder, check: () => lock.check(), besides }, setting, train);
}
