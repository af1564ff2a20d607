/** A sweep event for event, with a pool that answers as it is told: what happens in which order, and what after a failure or a stop. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { OpenFolder } from "../../src/run/open-folder.ts";
import { RunState } from "../../src/run/state.ts";
import type { Trial } from "../../src/run/trial.ts";
import type { Plan } from "../../src/spec/plan.ts";
import { readPlan } from "../../src/spec/read.ts";
import type { Agenda } from "../../src/sweep/agenda.ts";
import type { SweepEvent } from "../../src/sweep/events.ts";
import { runSweep } from "../../src/sweep/scheduler.ts";
import { TooManyFailures } from "../../src/sweep/stack-runner.ts";
import { WorkerFailed, WorkerStopped, type WorkerPool } from "../../src/workers/pool.ts";
import type { Task, TaskResult } from "../../src/workers/tasks.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();
const text = "name: x\ndata: {source: moby-dick}\nwidth: {proxy: 16, target: 32}\n";
const planWith = (more = ""): Promise<Plan> => readPlan({ text: text + more, file: "x.yaml", directory: folder }, join(folder, "cache"));
const plan = await planWith();
/** Where a trial is stopped early, if there is early stopping at all, and where it ends. */
const [rung, steps] = [5, 10];

type End = "done" | "stopped" | Error;
type EndOf = (trials: readonly number[], stop: () => void) => End;
const failed = new WorkerFailed("died");
const tooLarge = new WorkerFailed("out of memory", { outOfMemory: true });

/** Trials that a learning rate tells apart. */
const some = (count: number): readonly Trial[] =>
  Array.from({ length: count }, (_, id) => ({ id, seed: 1, hyperparameters: { learning_rate: 0.01 * (id + 1) } }));
const idsOf = ({ lanes }: Task<"train">["training"]): readonly number[] =>
  lanes.map(({ hyperparameters }) => some(9).findIndex((each) => each.hyperparameters.learning_rate === hyperparameters.learning_rate));
const outcomeAt = (step: number | undefined) =>
  ({ status: step === rung ? "stopped" : "completed", validationLoss: 1.5, curve: [], steps: step ?? steps }) as const;

/** A pool whose tasks end in the order in which they came, whenever \`next\` is called. */
function scriptedPool(happened: string[], endOf: (trials: readonly number[]) => End) {
  const tasks: (() => void)[] = [];
  const run = (task: Task): Promise<TaskResult<"train">> =>
    new Promise((resolve, reject) => {
      const { training, until } = task as Task<"train">;
      const trials = idsOf(training);
      happened.push(`run ${trials.join(" ")}${until === rung ? " to the rung" : ""}`);
      tasks.push(() => {
        const end = endOf(trials);
        if (end === "done") resolve({ outcomes: trials.map(() => outcomeAt(until)), engineSeconds: 0.5 });
        else reject(end === "stopped" ? new WorkerStopped() : end);
      });
    });
  return { pool: { run } as Pick<WorkerPool, "run">, next: () => tasks.shift()?.() };
}

/** An event in a few words. */
function wordsOf(event: SweepEvent): string {
  if ("trial" in event) return `${event.event} ${event.trial.id} ${event.trial.status}`;
  const more = event.event === "stack_retried" ? event.attempt : event.event === "stack_halved" ? event.size : "";
  return `${event.event} ${"stack" in event ? event.stack : ""} ${more}`.trim();
}

/** The run folder of the sweep at hand, and something in it that goes when its checkpoints are cleaned. */
const path = join(folder, "run");
const leftover = join(path, "checkpoints", "leftover.tmp");

interface Options {
  readonly jobs: number;
  readonly stackSize: number;
  readonly of?: Plan;
}

/** Runs a sweep whose stacks end as `endOf` says; what it returned or threw, what happened after its first event, and whether there was anything left to clean whenever it asked its agenda. */
async function scripted(trials: readonly Trial[], { of = plan, ...arrangement }: Options, endOf: EndOf) {
  const happened: string[] = [];
  const asked: string[] = [];
  const state = new RunState();
  let [isStopping, isOver] = [false, false];
  const { pool, next } = scriptedPool(happened, (ids) => endOf(ids, () => (isStopping = true)));
  const opened = OpenFolder.make(path);
  const leave = (): void => {
    mkdirSync(join(path, "checkpoints"), { recursive: true });
    writeFileSync(leftover, "");
  };
  const due: Agenda["due"] = (now, isGivenUp) => {
    asked.push(existsSync(leftover) ? "left" : "cleaned");
    leave();
    return trials.flatMap((trial) => {
      const status = now.of(trial)?.status;
      if (status === "completed" || (status === "failed" && isGivenUp(trial))) return [];
      return [{ trial, until: of.spec.search.early_stopping === null || status === "stopped" ? steps : rung }];
    });
  };
  leave();
  const sweep = runSweep(
    of,
    { due, undecided: (now) => trials.filter((trial) => now.of(trial)?.status === "stopped") },
    { threads: 1, ...arrangement },
    {
      ...{ folder: opened, state, pool, arithmetic: "a", interval: {} },
      emit: (event) => happened.push(wordsOf(event)),
      acknowledge: (results) => {
        happened.push(`acknowledged ${results.map(({ id }) => id).join(" ")}`);
        for (const trial of results) state.apply({ record: "trial", trial }, { offset: 0, bytes: 0 });
      },
      stopping: () => isStopping,
    },
  );
  const ended = sweep.catch((error: unknown) => error).finally(() => (isOver = true));
  while (!isOver) {
    next();
    await new Promise((resolve) => setImmediate(resolve));
  }
  opened.close();
  return { ended: await ended, happened: happened.slice(1), asked };
}
const inTurn = (...ends: readonly End[]): EndOf => {
  const left = [...ends];
  return () => left.shift() ?? "done";
};

describe("a sweep, event for event", () => {
  it("acknowledges before it announces, and begins the next stack after that", async () => {
    const { ended, happened } = await scripted(some(3), { jobs: 1, stackSize: 2 }, inTurn());
    expect(ended).toBe(true);
    expect(happened).toEqual([
      ...["run 0 1", "acknowledged 0 1", "trial_finished 0 completed", "trial_finished 1 completed", "stack_finished 0"],
      ...["run 2", "acknowledged 2", "trial_finished 2 completed", "stack_finished 1"],
    ]);
  });

  it("trains as many stacks at a time as it is told", async () => {
    const { happened } = await scripted(some(5), { jobs: 3, stackSize: 1 }, inTurn());
    expect(happened.slice(0, 5)).toEqual(["run 0", "run 1", "run 2", "acknowledged 0", "trial_finished 0 completed"]);
    expect(happened.indexOf("run 3")).toBe(6);
    expect(happened.filter((each) => each.startsWith("run")).length).toBe(5);
  });

  it("halves a stack at once, and trains later ones in parts", async () => {
    const { ended, happened } = await scripted(some(8), { jobs: 1, stackSize: 4 }, (trials) => (trials.length > 2 ? tooLarge : "done"));
    expect(ended).toBe(true);
    expect(happened.filter((each) => /^(run|stack)/.test(each))).toEqual([
      ...["run 0 1 2 3", "stack_halved 0 2", "run 0 1", "stack_finished 2", "run 2 3", "stack_finished 3"],
      ...["run 4 5", "stack_finished 5", "run 6 7", "stack_finished 6"],
    ]);
  });

  it("tries a trial again that is alone and out of memory, and gives up on it", async () => {
    const { ended, happened } = await scripted(some(1), { jobs: 1, stackSize: 1 }, () => tooLarge);
    expect(ended).toBe(true);
    expect(happened).toEqual([
      ...["run 0", "stack_retried 0 2", "run 0", "stack_retried 0 3", "run 0"],
      ...["acknowledged 0", "trial_finished 0 failed", "stack_finished 0"],
    ]);
  });

  it("records nothing of what fails once a stop was asked for, not even the last time", async () => {
    let tries = 0;
    const endOf: EndOf = (_, stop) => {
      if (++tries === 3) stop();
      return failed;
    };
    const { ended, happened } = await scripted(some(2), { jobs: 1, stackSize: 1 }, endOf);
    expect(ended).toBe(false);
    expect(happened).toEqual(["run 0", "stack_retried 0 2", "run 0", "stack_retried 0 3", "run 0"]);
  });

  it("begins nothing after a stop, and lets what is done by then count", async () => {
    const endOf: EndOf = ([id], stop) => {
      stop();
      return id === 0 ? "stopped" : "done";
    };
    const { ended, happened } = await scripted(some(4), { jobs: 2, stackSize: 1 }, endOf);
    expect(ended).toBe(false);
    expect(happened).toEqual(["run 0", "run 1", "acknowledged 1", "trial_finished 1 completed", "stack_finished 1"]);
  });

  it("learns what fits although a stop was asked for, and trains none of it", async () => {
    const endOf: EndOf = (_, stop) => {
      stop();
      return tooLarge;
    };
    const { ended, happened } = await scripted(some(4), { jobs: 1, stackSize: 4 }, endOf);
    expect(ended).toBe(false);
    expect(happened).toEqual(["run 0 1 2 3", "stack_halved 0 2"]);
  });

  it("tries nothing again once a stop was asked for", async () => {
    const endOf: EndOf = (_, stop) => {
      stop();
      return failed;
    };
    const { ended, happened } = await scripted(some(2), { jobs: 1, stackSize: 1 }, endOf);
    expect(ended).toBe(false);
    expect(happened).toEqual(["run 0"]);
  });

  it.each([false, true])(
    "ends with what the operating system refuses, and begins nothing after it (of memory: %s)",
    async (outOfMemory) => {
      const full = new WorkerFailed("no space left on device", { systemCode: "ENOSPC", outOfMemory });
      const { ended, happened } = await scripted(some(6), { jobs: 1, stackSize: 2 }, inTurn("done", full));
      expect(ended).toBe(full);
      expect(happened.at(-1)).toBe("run 2 3");
    },
  );

  it("ends with its folder when that is gone, whatever the worker says", async () => {
    const endOf: EndOf = () => {
      rmSync(path, { recursive: true });
      return failed;
    };
    const { ended, happened } = await scripted(some(1), { jobs: 1, stackSize: 1 }, endOf);
    expect(ended).toMatchObject({ diagnostics: [{ code: "folder_gone" }] });
    expect(happened).toEqual(["run 0"]);
  });

  it("counts failures in a row, and not those with a success between them", async () => {
    const thrice = [failed, failed, failed];
    const between = await scripted(some(6), { jobs: 1, stackSize: 1 }, inTurn(...thrice, ...thrice, "done", ...thrice, ...thrice));
    expect(between.ended).toBe(true);
    const inARow = await scripted(some(6), { jobs: 1, stackSize: 1 }, inTurn("done", ...thrice, ...thrice, ...thrice));
    expect(inARow.ended).toBeInstanceOf(TooManyFailures);
    expect(inARow.happened.at(-1)).toBe("stack_finished 3");
  });

  it("asks its agenda when nothing waits, and not after a stop", async () => {
    const { asked } = await scripted(some(4), { jobs: 2, stackSize: 1 }, inTurn());
    // At first, when the third and the fourth have ended, and at last: when those before them end, something waits.
    expect(asked.length).toBe(4);
    const endOf: EndOf = (_, stop) => {
      stop();
      return "done";
    };
    expect((await scripted(some(2), { jobs: 2, stackSize: 1 }, endOf)).asked.length).toBe(2);
  });

  it("trains to a rung and on from there, and cleans up when nothing is in training", async () => {
    const halving = await planWith("search: {early_stopping: {method: halving}}\n");
    const { ended, happened, asked } = await scripted(some(2), { jobs: 2, stackSize: 1, of: halving }, inTurn());
    expect(ended).toBe(true);
    expect(happened.filter((each) => /^(run|rung|trial)/.test(each))).toEqual([
      ...["run 0 to the rung", "run 1 to the rung", "rung_reached 0 stopped", "run 0", "rung_reached 1 stopped"],
      ...["run 1", "trial_finished 0 completed", "trial_finished 1 completed"],
    ]);
    expect(asked).toEqual(["left", "left", "cleaned", "left", "left", "left", "cleaned"]);
  });

  it("leaves what lies among the checkpoints without early stopping", async () => {
    expect(new Set((await scripted(some(2), { jobs: 1, stackSize: 1 }, inTurn())).asked)).toEqual(new Set(["left"]));
  });

  it("asks its agenda after each result with asha, and trains first what that names first", async () => {
    const asha = await planWith("search: {early_stopping: {method: asha}}\n");
    const { happened, asked } = await scripted(some(3), { jobs: 1, stackSize: 1, of: asha }, inTurn());
    expect(happened.filter((each) => each.startsWith("run "))).toEqual([
      ...["run 0 to the rung", "run 0", "run 1 to the rung", "run 1", "run 2 to the rung", "run 2"],
    ]);
    // Before all, at first, after each, and at last.
    expect(asked.length).toBe(1 + 1 + 6 + 1);
  });
});
