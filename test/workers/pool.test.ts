/** The pool with real child processes that die in real ways. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { sizesOf, type Plan } from "../../src/spec/plan.ts";
import { readPlan } from "../../src/spec/read.ts";
import { trainingOf } from "../../src/spec/training.ts";
import { PoolClosed, WorkerFailed, WorkerPool, WorkerUnavailable } from "../../src/workers/pool.ts";
import type { Task } from "../../src/workers/tasks.ts";
import { temporaryFolder } from "../support/folder.ts";

const entry = fileURLToPath(new URL("../support/dying-worker.mjs", import.meta.url));
const folder = temporaryFolder();
const plan: Plan = await readPlan(
  { text: "name: x\ndata: {source: moby-dick}\nwidth: {proxy: 16, target: 32}\n", file: "x.yaml", directory: folder },
  join(folder, "cache"),
);
const pools: WorkerPool[] = [];
const pool = (environments: readonly Record<string, string | undefined>[] = []): WorkerPool => {
  const made = new WorkerPool(entry, "onnxruntime", environments);
  pools.push(made);
  return made;
};
afterEach(() => {
  for (const each of pools.splice(0)) each.close();
});

/** A training of so many lanes whose first seed is what the worker does. */
const task = (behaviour: number, lanes = 1): Task<"train"> => {
  const tried = Array.from({ length: lanes }, () => ({ seed: behaviour, hyperparameters: { learning_rate: 0.01 } }));
  return { kind: "train", training: trainingOf(plan, tried, sizesOf(plan.spec).proxy, 1) };
};
const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe("the worker pool", () => {
  it("delivers progress and outcomes, and uses a worker again", async () => {
    const workers = pool();
    const steps: number[] = [];
    for (let run = 0; run < 3; run++) {
      const { outcomes } = await workers.run(task(1), (news) => "step" in news && steps.push(news.step));
      expect(outcomes).toEqual([{ status: "completed", validationLoss: 1.5, curve: [], steps: 7 }]);
    }
    expect(steps).toEqual([3, 3, 3]);
    expect(workers.processIds.length).toBe(1);
  });

  it("reports a death with its signal and last words, and works on with a new process", async () => {
    const workers = pool();
    await expect(workers.run(task(2))).rejects.toThrow(/killed by SIGABRT: last words/);
    await expect(workers.run(task(2))).rejects.toThrow(WorkerFailed);
    await expect(workers.run(task(1))).resolves.toMatchObject({ engineSeconds: 0.5 });
  });

  it("tells a failure from an engine that is not there", async () => {
    const workers = pool();
    await expect(workers.run(task(4))).rejects.toThrow(new WorkerFailed("out of memory"));
    await expect(workers.run(task(5))).rejects.toThrow(WorkerUnavailable);
  });

  it("gives each worker an environment of its own, also after one has run out of memory", async () => {
    const workers = pool(["a", "b", "c"].map((NAME) => ({ ...process.env, NAME })));
    const names = async (count: number): Promise<readonly string[]> => {
      const answers = await Promise.all(Array.from({ length: count }, () => workers.run({ kind: "describe" })));
      return answers.map(({ version }) => version).sort();
    };
    expect(await names(3)).toEqual(["a", "b", "c"]);
    await expect(workers.run(task(7, 3))).rejects.toMatchObject({ outOfMemory: true });
    expect(await names(3)).toEqual(["a", "b", "c"]);
    expect(await names(4)).toEqual(["a", "a", "b", "c"]);
  });

  it("rejects with what a listener of its news throws, and works on with a new process", async () => {
    const workers = pool();
    const thrown = new Error("the listener failed");
    const throws = (): never => {
      throw thrown;
    };
    await expect(workers.run(task(1), throws)).rejects.toBe(thrown);
    await expect(workers.run(task(1))).resolves.toMatchObject({ engineSeconds: 0.5 });
  });

  it("fails a task, and nothing else, when no process can be started", async () => {
    const { execPath } = process;
    const workers = pool();
    try {
      process.execPath = join(folder, "no-such-program");
      workers.warm(2);
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(workers.processIds).toEqual([]);
      await expect(workers.run(task(1))).rejects.toThrow(/ENOENT/);
    } finally {
      process.execPath = execPath;
    }
    await expect(workers.run(task(1))).resolves.toMatchObject({ engineSeconds: 0.5 });
  });

  it("ends its processes when it is closed, and starts no more", async () => {
    const workers = pool();
    const waiting = workers.run(task(6));
    const [pid] = workers.processIds;
    setTimeout(() => workers.close(), 200);
    await expect(waiting).rejects.toThrow(PoolClosed);
    await expect(workers.run(task(1))).rejects.toThrow(PoolClosed);
    expect(alive(pid)).toBe(false);
  });

  it("passes on nothing that a worker had sent before the close", async () => {
    const workers = pool();
    let news = 0;
    const answered = workers.run(task(1), () => {
      news++;
      // By then the answer has been sent, and nothing but the close keeps it from being heard.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
      workers.close();
    });
    await expect(answered).rejects.toThrow(PoolClosed);
    expect(news).toBe(1);
  });
});
