/** The sweep with real child processes that die in real ways. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { readPlan } from "../../src/spec/read.ts";
import type { CompleteSpec } from "../../src/spec/complete.ts";
import type { Plan } from "../../src/spec/plan.ts";
import { journalVersion } from "../../src/run/records.ts";
import { OpenFolder } from "../../src/run/open-folder.ts";
import { runFiles } from "../../src/run/run-folder.ts";
import { Run } from "../../src/run/run.ts";
import { plannedWork } from "../../src/sweep/agenda.ts";
import type { SweepEvent } from "../../src/sweep/events.ts";
import { runSweep } from "../../src/sweep/scheduler.ts";
import { TooManyFailures } from "../../src/sweep/stack-runner.ts";
import { WorkerPool, WorkerUnavailable } from "../../src/workers/pool.ts";
import { temporaryFolder } from "../support/folder.ts";
import type { Trial } from "../../src/run/trial.ts";

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
/** The same with one fresh seed for all, and up to seven for those that cannot be told apart. */
const racing: CompleteSpec = { ...plan.spec, search: { ...plan.spec.search, confirm: { top: 4, seeds: 1, most_seeds: 7 } } };

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
          undecided: () => [],
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

  it("tells of seeds that racing has added, which count from then on", async () => {
    const of = { ...marked(), spec: racing };
    // The last dies at first, so that the agenda is asked again while it is in hand.
    const { events } = await run([trial(0, 1), trial(0, 7), trial(1, 7), trial(2, 3)], "raced.jsonl", { of });
    expect(events.filter(({ event }) => event === "seed_added")).toEqual([
      { event: "seed_added", trials: [0, 1], seed: 7, seeds: 5 },
      { event: "seed_added", trials: [2], seed: 3, seeds: 1 },
    ]);
    const before = plannedWork(racing).trainings;
    expect(events[0]).toMatchObject({ event: "sweep_started", trials: before });
    const { events: again } = await run([trial(0, 7), trial(1, 7), trial(2, 7)], "raced.jsonl", { of });
    expect(again[0]).toMatchObject({ event: "sweep_started", trials: before + 3, resumed: 4 });
    expect(again.filter(({ event }) => event === "seed_added")).toMatchObject([{ trials: [2] }]);
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
