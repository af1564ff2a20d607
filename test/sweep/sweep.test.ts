/** The pool and the sweep with real child processes that die in real ways. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { readPlan } from "../../src/spec/read.ts";
import type { Plan } from "../../src/spec/plan.ts";
import { journalVersion } from "../../src/sweep/records.ts";
import { OpenFolder } from "../../src/sweep/open-folder.ts";
import { runFiles } from "../../src/sweep/run-folder.ts";
import { Run } from "../../src/sweep/run.ts";
import { runSweep, TooManyFailures, type SweepEvent } from "../../src/sweep/sweep.ts";
import type { Trial } from "../../src/sweep/trials.ts";
import { stackJob } from "../../src/sweep/trials.ts";
import { PoolClosed, saysOutOfMemory, WorkerFailed, WorkerPool, WorkerUnavailable, type Task } from "../../src/sweep/worker-pool.ts";
import { temporaryFolder } from "../support/folder.ts";

const entry = fileURLToPath(new URL("../support/dying-worker.mjs", import.meta.url));
const folder = temporaryFolder();
const plan: Plan = await readPlan(
  {
    text: "name: x\ndata: {source: moby-dick}\nwidth: {proxy: 16, target: 32}\nsearch: {confirm: {seeds: 20}}\n",
    file: "x.yaml",
    directory: folder,
  },
  join(folder, "cache"),
);
const pools: WorkerPool[] = [];
const pool = (): WorkerPool => {
  const made = new WorkerPool(entry, "onnxruntime");
  pools.push(made);
  return made;
};
afterEach(() => {
  for (const each of pools.splice(0)) each.close();
});

let markers = 0;
/** A plan whose data path is a marker file that the worker may write. */
const marked = (): Plan => {
  const [{ file, ...piece }] = plan.dataset.train.pieces;
  const pieces = [{ ...piece, file: { ...file, path: join(folder, `marker${markers++}`) } }];
  return { ...plan, dataset: { ...plan.dataset, train: { ...plan.dataset.train, pieces } } };
};
/** The plan has seeds up to 21. */
const trial = (id: number, behaviour: number): Trial => ({ id, seed: behaviour, hyperparameters: { learning_rate: 0.01 } });
const task = (behaviour: number, of = marked()): Task<"train"> => ({ kind: "train", job: stackJob(of, [trial(0, behaviour)], 16, 1) });
const ignore = (): void => undefined;
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
    await expect(workers.run(task(2), ignore)).rejects.toThrow(/killed by SIGABRT: last words/);
    await expect(workers.run(task(2), ignore)).rejects.toThrow(WorkerFailed);
    await expect(workers.run(task(1), ignore)).resolves.toMatchObject({ engineSeconds: 0.5 });
  });

  it("tells a failure from an engine that is not there", async () => {
    const workers = pool();
    await expect(workers.run(task(4), ignore)).rejects.toThrow(new WorkerFailed("out of memory"));
    await expect(workers.run(task(5), ignore)).rejects.toThrow(WorkerUnavailable);
  });

  it("gives each worker an environment of its own, also after one has run out of memory", async () => {
    const workers = new WorkerPool(
      entry,
      "onnxruntime",
      ["a", "b", "c"].map((NAME) => ({ ...process.env, NAME })),
    );
    pools.push(workers);
    const names = async (count: number): Promise<readonly string[]> => {
      const answers = await Promise.all(Array.from({ length: count }, () => workers.run({ kind: "describe" })));
      return answers.map(({ version }) => version).sort();
    };
    expect(await names(3)).toEqual(["a", "b", "c"]);
    const lanes = Array.from({ length: 3 }, (_, id) => trial(id, 7));
    await expect(workers.run({ kind: "train", job: stackJob(marked(), lanes, 16, 1) })).rejects.toMatchObject({ outOfMemory: true });
    expect(await names(3)).toEqual(["a", "b", "c"]);
    expect(await names(4)).toEqual(["a", "a", "b", "c"]);
  });

  it.each([
    "Non-zero status code: CUBLAS_STATUS_ALLOC_FAILED",
    "CUDA_ERROR_OUT_OF_MEMORY: out of memory",
    "VK_ERROR_OUT_OF_DEVICE_MEMORY",
    "std::bad_alloc",
    "OOM when allocating tensor with shape[64,2048]",
    "RESOURCE_EXHAUSTED: Out of memory while trying to allocate",
    "Failed to allocate memory for requested buffer of size 8388608",
    "Array buffer allocation failed",
    "Invalid typed array length: 9000000000",
    "Buffer size (4294967296) exceeds the max buffer size limit (2147483648)",
    "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
  ])("knows the words for too little memory: %s", (words) => expect(saysOutOfMemory(words)).toBe(true));
  it.each(["Segmentation fault", "the model is not valid", "no space left on device", "the zoom is off"])("and other words: %s", (words) =>
    expect(saysOutOfMemory(words)).toBe(false),
  );

  it("ends its processes when it is closed, and starts no more", async () => {
    const workers = pool();
    const waiting = workers.run(task(6), ignore);
    const [pid] = workers.processIds;
    setTimeout(() => workers.close(), 200);
    await expect(waiting).rejects.toThrow(PoolClosed);
    await expect(workers.run(task(1), ignore)).rejects.toThrow(PoolClosed);
    expect(alive(pid)).toBe(false);
  });
});

describe("a sweep", () => {
  const run = async (trials: readonly Trial[], name: string, options: { stackSize?: number; of?: Plan; jobs?: number } = {}) => {
    const events: SweepEvent[] = [];
    const opened = Run.open(OpenFolder.make(join(folder, name)));
    const environment = { mutransfer: "0", node: "v20", engine: "e", device: "d", data_hash: "d", data_directory: "." };
    try {
      if (opened.state.run === undefined)
        opened.begin(
          { name: "x", spec: plan.spec, spec_hash: plan.specHash, engine: "native", arithmetic: "a", environment },
          journalVersion,
        );
      const { state } = opened;
      await runSweep(
        options.of ?? marked(),
        {
          due: (now, isGivenUp) =>
            trials
              .filter((each) => {
                const status = now.of(each)?.status;
                return status === undefined || (status === "failed" && !isGivenUp(each));
              })
              .map((each) => ({ trial: each, until: 10 })),
        },
        { jobs: options.jobs ?? 2, threads: 1, stackSize: options.stackSize ?? 1 },
        {
          ...{ folder: opened.folder, state, pool: pool(), arithmetic: "a", interval: {} },
          emit: (event) => events.push(event),
          acknowledge: (each) => opened.acknowledge(each),
          stopping: () => false,
        },
      );
      const results = trials.flatMap((each) => state.of(each) ?? []).map((summary) => opened.result(summary));
      return { results, events, lines: readFileSync(join(opened.folder.path, runFiles.journal), "utf8").trim().split("\n").length };
    } finally {
      opened.close();
    }
  };

  it("tries a stack again when its worker dies", async () => {
    const { results, events } = await run([trial(0, 1), trial(1, 3), trial(2, 1)], "retried.jsonl");
    expect(results.map(({ status }) => status)).toEqual(["completed", "completed", "completed"]);
    expect(events.filter(({ event }) => event === "stack_retried")).toMatchObject([
      { stack: 1, attempt: 2, reason: expect.stringMatching(/SIGKILL/) as string },
    ]);
  });

  it("halves stacks that do not fit the memory, says so, and goes on with what fits", async () => {
    const nine = Array.from({ length: 9 }, (_, id) => trial(id, 7));
    const { results, events } = await run(nine, "halved.jsonl", { stackSize: 8 });
    expect(results.map(({ status }) => status)).toEqual(nine.map(() => "completed"));
    const halvings = events.flatMap((event) => (event.event === "stack_halved" ? [event.size] : []));
    expect(halvings).toEqual([4, 2]);
    expect(events.filter(({ event }) => event === "stack_retried")).toEqual([]);
    const finished = events.flatMap((event) => (event.event === "stack_finished" ? [event.trials] : []));
    expect(Math.max(...finished.map(({ length }) => length))).toBe(2);
    expect(finished.flat().sort((a, b) => a - b)).toEqual(nine.map(({ id }) => id));
  });

  it("records the trials of a stack that keeps dying as failed, with the reason, while the others go on", async () => {
    const { results, events, lines } = await run([trial(0, 1), trial(1, 2), trial(2, 1), trial(3, 4)], "failed.jsonl");
    expect(results.map(({ id, status }) => [id, status])).toEqual([
      [0, "completed"],
      [1, "failed"],
      [2, "completed"],
      [3, "failed"],
    ]);
    expect(results[1]?.reason).toMatch(/SIGABRT/);
    expect(results[3]?.reason).toBe("out of memory");
    expect(events.filter((event) => event.event === "stack_retried" && event.stack === 1).length).toBe(2);
    expect(lines).toBe(5);
  });

  it("costs a dead stack only its own trials", async () => {
    const { results } = await run([trial(0, 1), trial(1, 1), trial(2, 2), trial(3, 2), trial(4, 1)], "stacks.jsonl", { stackSize: 2 });
    expect(results.map(({ status }) => status)).toEqual(["completed", "completed", "failed", "failed", "completed"]);
  });

  it("continues where its journal ends and runs nothing twice", async () => {
    await run([trial(0, 1), trial(1, 1)], "continued.jsonl");
    const same = [trial(0, 1), trial(1, 1), trial(2, 1)];
    const { results, events, lines } = await run(same, "continued.jsonl");
    expect(results.map(({ status }) => status)).toEqual(["completed", "completed", "completed"]);
    expect(events[0]).toMatchObject({ event: "sweep_started", resumed: 2 });
    expect(events.filter(({ event }) => event === "trial_finished").length).toBe(1);
    expect(lines).toBe(4);
  });

  it("tries failed trials again when it continues", async () => {
    const of = marked();
    const trials = [trial(0, 1), trial(1, 8)];
    expect((await run(trials, "healed.jsonl", { of })).results.map(({ status }) => status)).toEqual(["completed", "failed"]);
    writeFileSync(of.dataset.train.pieces[0].file.path, "");
    const { results, events } = await run(trials, "healed.jsonl", { of });
    expect(results.map(({ status }) => status)).toEqual(["completed", "completed"]);
    expect(events[0]).toMatchObject({ resumed: 1 });
    expect((await run(trials, "healed.jsonl", { of })).events[0]).toMatchObject({ resumed: 2 });
  });

  it("stops when one stack after the other fails, and leaves the rest to be tried", async () => {
    const trials = Array.from({ length: 8 }, (_, id) => trial(id, 4));
    await expect(run(trials, "hopeless.jsonl", { jobs: 1 })).rejects.toThrow(TooManyFailures);
    const again = await run([trial(9, 1)], "hopeless.jsonl");
    expect(again.lines).toBe(1 + 3 + 1);
  });

  it("stops at once when the engine cannot run here", async () => {
    await expect(run([trial(0, 5), trial(1, 5)], "unavailable.jsonl")).rejects.toThrow(WorkerUnavailable);
  });
});
