/** Which engine is taken or looked at and why, with worker processes whose speeds are known beforehand. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { Engines, type EngineOptions, type EnginesContext } from "../../src/placement/engines.ts";
import type { Work } from "../../src/placement/timing.ts";
import { recallSetups, rememberSetup } from "../../src/placement/remembered.ts";
import { engineNames, type EngineName } from "../../src/engines/engine.ts";
import { engines, type Registry, type WorkerVariables } from "../../src/engines/registry.ts";
import { UserError } from "../../src/errors.ts";
import { readPlan } from "../../src/spec/read.ts";
import { openingTrials } from "../../src/sweep/agenda.ts";
import { OpenFolder } from "../../src/run/open-folder.ts";
import { temporaryFolder } from "../support/folder.ts";
import { sizesOf } from "../../src/spec/plan.ts";
import { trainingOf } from "../../src/spec/training.ts";
import { PoolClosed } from "../../src/workers/pool.ts";

const folder = temporaryFolder();
const log = join(folder, "measured");
process.env["TIMED_WORKER_LOG"] = log;
const plan = await readPlan(
  {
    text: "name: x\ndata: {source: moby-dick}\nwidth: {proxy: 16, target: 32}\nsearch: {confirm: false, trials: 8}\n",
    file: "x.yaml",
    directory: folder,
  },
  join(folder, "cache"),
);
const work: Work = { plan, trials: openingTrials(plan.spec), of: "proxies", size: sizesOf(plan.spec).proxy };
const entry = fileURLToPath(new URL("../support/timed-worker.mjs", import.meta.url));

/** A registry in which only `present` are worth trying, each with so many workers. */
const registryOf = (present: readonly EngineName[], workers = 1): Registry =>
  Object.fromEntries(
    engineNames.map((name) => [
      name,
      {
        ...engines[name],
        hopeless: () => Promise.resolve(present.includes(name) ? undefined : `no ${name} here`),
        workers: (): readonly WorkerVariables[] => Array.from({ length: workers }, (_, slot) => ({ SLOT: String(slot) })),
        footprint: () => Promise.resolve({ bytes: 0, largestTensorBytes: 0 }),
        processBytes: 0,
      },
    ]),
  ) as unknown as Registry;

/** A registry whose workers have another environment for each precision. */
const byPrecision: Registry = {
  ...registryOf(["webgpu"]),
  webgpu: { ...registryOf(["webgpu"]).webgpu, workers: (_, precision) => [{ PRECISION: precision }] },
};

const context: EnginesContext = {
  host: { cache: folder, environment: process.env },
  note: (text) => said.push(text),
  now: () => performance.now() / 1000,
  workerScript: entry,
};
const opened: Engines[] = [];
const said: string[] = [];
function choosing(present: readonly EngineName[], options: EngineOptions = {}, workers = 1): Engines {
  const made = new Engines(options, { ...context, registry: registryOf(present, workers) });
  opened.push(made);
  return made;
}
afterEach(() => {
  said.splice(0);
  delete process.env["TIMED_WORKER_MISSING"];
  delete process.env["TIMED_WORKER_CRASHING"];
  for (const each of opened.splice(0)) each.close();
});

describe("the engine that is taken", () => {
  it("is the fastest of those that run here, with how much faster it is than the next", async () => {
    const { setup } = await choosing(["cuda", "tfjs", "webgpu", "native"]).choose(work);
    expect([setup.engine, setup.reason]).toEqual(["cuda", "4.0× as fast as webgpu"]);
    expect(new Set(setup.timed.map(({ engine }) => engine))).toEqual(new Set(["cuda", "webgpu", "native"]));
    expect(said).toEqual([]);
  });
  it("is on the CPU when a GPU is slower there", async () => {
    const { setup } = await choosing(["webgpu", "native"]).choose({ ...work, trials: work.trials.slice(0, 1) });
    expect([setup.engine, setup.reason]).toEqual(["native", "2.0× as fast as webgpu"]);
  });
  it("is a large stack where a step costs the same whatever it trains", async () =>
    expect((await choosing(["cuda"]).choose(work)).setup.arrangement).toEqual({ stackSize: 8, jobs: 1, threads: 1 }));
  it("is the one that was named, untimed where nothing is to be decided", async () => {
    const { setup } = await choosing([], { engine: "webgpu", stack: 2 }).choose(work);
    expect([setup.engine, setup.reason, setup.timed]).toEqual(["webgpu", "as asked for", []]);
  });
  it("that was named and is not there is exit 7, with what it said", async () => {
    const error = await choosing([], { engine: "tfjs" })
      .choose(work)
      .catch((each: unknown) => each);
    expect(error).toMatchObject({
      kind: "engine",
      diagnostics: [{ code: "engine_unavailable", message: "TensorFlow.js is not installed" }],
    });
  });
  it("that has no memory for one model is a mistake of the spec, not of the engine", async () => {
    const error = await choosing(["onnxruntime"])
      .choose({ ...work, size: { ...work.size, width: 32 } })
      .catch((each: unknown) => each);
    expect(error).toBeInstanceOf(UserError);
    expect(error).toMatchObject({ kind: "usage", diagnostics: [{ code: "does_not_fit" }] });
  });
  it("that has memory for one model trains one at a time", async () => {
    const { setup } = await choosing(["onnxruntime"]).choose(work);
    expect([setup.engine, setup.arrangement.stackSize]).toEqual(["onnxruntime", 1]);
    expect(said).toEqual(["a stack of 4 does not fit the memory"]);
  });
  it("is the one that an earlier run in the folder took, as long as it is the same", async () => {
    const first = choosing(["webgpu"]);
    const { setup } = await first.choose(work);
    const run = OpenFolder.make(folder);
    first.remember(work, run, setup);
    expect((await choosing(["cuda", "webgpu"]).choose(work, run)).setup).toEqual(setup);
    rememberSetup(run, Object.keys(recallSetups(run))[0], {
      ...setup,
      version: "webgpu 0",
    });
    expect((await choosing(["cuda", "webgpu"]).choose(work, run)).setup.engine).toBe("cuda");
  });
});

describe("the first engine", () => {
  it("is the first that computes on the CPU, with a pool that works, and nothing is timed", async () => {
    rmSync(log, { force: true });
    const { name, version, device, pool } = await choosing(["cuda", "native"]).first("float32");
    expect([name, version, device.kind]).toEqual(["native", "native 1", "cpu"]);
    expect(await pool.run({ kind: "describe" })).toEqual({ version, device });
    expect(existsSync(log)).toBe(false);
  });
  it("is the one that was named, whatever it computes on", async () =>
    expect(await choosing([], { engine: "cuda" }).first("float32")).toMatchObject({ name: "cuda", version: "cuda 1" }));
  it("is the next where one cannot be had", async () => {
    process.env["TIMED_WORKER_MISSING"] = "native";
    expect((await choosing([]).first("float32")).name).toBe("onnxruntime");
    expect(said).toEqual([]);
  });
  it.each<[EngineName | "auto", string, string]>([
    ["auto", "onnxruntime is missing", "`mutransfer doctor` lists the engines of this machine"],
    ["native", "native is missing", "--engine auto takes one that runs here"],
  ])("that was asked for as %s and is not there is exit 7, with what was said last and what to do", async (engine, message, hint) => {
    process.env["TIMED_WORKER_MISSING"] = "native onnxruntime";
    const error = await choosing(["native"], { engine })
      .first("float32")
      .catch((each: unknown) => each);
    expect(error).toBeInstanceOf(UserError);
    expect(error).toMatchObject({ kind: "engine", diagnostics: [{ code: "engine_unavailable", message, hint }] });
  });
  it("can still be had when the choice has ended its workers", async () => {
    const made = choosing(["cuda", "native"]);
    expect((await made.choose(work)).setup.engine).toBe("cuda");
    expect((await made.first("float32")).name).toBe("native");
  });
  it("has an environment for its precision, beside that of what was chosen", async () => {
    const named = new Engines({ engine: "webgpu" }, { ...context, registry: byPrecision });
    opened.push(named);
    const { pool: chosen } = await named.choose(work);
    const [single, mixed] = await Promise.all([named.first("float32"), named.first("mixed")]);
    expect(single.pool).toBe(chosen);
    expect(mixed.pool).not.toBe(chosen);
  });
});

describe("an engine that is looked at", () => {
  it("says what it is, or why it cannot be used, and whether it is worth trying", async () => {
    const made = choosing(["native"]);
    expect(await made.examine("native")).toEqual({
      ...{ worthTrying: true, usable: true, version: "native 1" },
      device: { kind: "cpu", name: "device of native", memoryBytes: 1e12 },
    });
    expect(await made.examine("tfjs")).toEqual({ worthTrying: false, usable: false, reason: "TensorFlow.js is not installed" });
  });
  it("that kills its worker has how to get it said as well", async () => {
    process.env["TIMED_WORKER_CRASHING"] = "webgpu";
    const { usable, ...found } = await choosing(["webgpu"]).examine("webgpu");
    expect(usable).toBe(false);
    expect(found).toMatchObject({
      worthTrying: true,
      reason: expect.stringMatching(/^the worker process was killed by SIGABRT.*; needs/) as string,
    });
  });
  it("leaves no worker", async () => {
    const made = choosing(["native"]);
    const { pool } = await made.first("float32");
    expect(pool.processIds).toHaveLength(1);
    await made.examine("native");
    await expect(pool.run({ kind: "describe" })).rejects.toThrow(PoolClosed);
  });
});

describe("what is chosen for a folder", () => {
  it("keeps there, and what is chosen for none was told of none", async () => {
    const run = OpenFolder.make(join(folder, "kept"));
    const storeOf = async (made: Engines, of?: OpenFolder): Promise<unknown> => {
      const { setup, pool } = await made.choose(work, of);
      const training = trainingOf(plan, work.trials.slice(0, 1), work.size, 1);
      const { outcomes } = await pool.run({ kind: "train", training });
      expect(setup.engine).toBe("native");
      // The worker of these tests answers with the store that it was sent.
      return (outcomes[0] as unknown as { readonly store?: unknown }).store;
    };
    expect(await storeOf(choosing(["native"]), run)).toEqual(run.handle);
    expect(await storeOf(choosing(["native"]))).toBeUndefined();
  });
});

describe("timing", () => {
  it("tries no more than there is time for", async () => {
    const made = new Engines({}, { ...context, registry: registryOf(["cuda"]), seconds: 0 });
    opened.push(made);
    expect((await made.choose(work)).setup.timed.map(({ stackSize }) => stackSize)).toEqual([1]);
  });
  it("has all workers train at the same time, however late some of them start", async () => {
    rmSync(log, { force: true });
    await choosing(["native"], {}, 3).choose(work);
    const lines = readFileSync(log, "utf8")
      .trim()
      .split("\n")
      .map((line) => line.split(" "))
      .slice(0, 6);
    const at = (what: string): readonly number[] => lines.filter((line) => line[1] === what).map((line) => Number(line[2]));
    expect(new Set(lines.map(([slot]) => slot))).toEqual(new Set(["0", "1", "2"]));
    expect(Math.max(...at("from"))).toBeLessThan(Math.min(...at("to")));
  });
});
