/** Which engine is taken and why, with worker processes whose speeds are known beforehand. */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { Engines, type EngineOptions } from "../../src/cli/engine.ts";
import type { Work } from "../../src/cli/engine-timing.ts";
import { recallSetups, rememberSetup } from "../../src/cli/probe-cache.ts";
import { engineNames, type EngineName } from "../../src/engines/engine.ts";
import { engines, type Registry, type WorkerEnvironment } from "../../src/engines/registry.ts";
import { UserError } from "../../src/errors.ts";
import { readPlan } from "../../src/spec/read.ts";
import { openingTrials } from "../../src/sweep/agenda.ts";
import { OpenFolder } from "../../src/sweep/open-folder.ts";
import { temporaryFolder } from "../support/folder.ts";

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
const work: Work = { plan, trials: openingTrials(plan.spec), width: 16 };
const entry = fileURLToPath(new URL("../support/timed-worker.mjs", import.meta.url));

/** A registry in which only `present` are worth trying, each with so many workers. */
const registryOf = (present: readonly EngineName[], workers = 1): Registry =>
  Object.fromEntries(
    engineNames.map((name) => [
      name,
      {
        ...engines[name],
        hopeless: () => Promise.resolve(present.includes(name) ? undefined : `no ${name} here`),
        workers: (): readonly WorkerEnvironment[] => Array.from({ length: workers }, (_, slot) => ({ SLOT: String(slot) })),
        footprint: () => Promise.resolve({ bytes: 0, largestTensorBytes: 0 }),
        processBytes: 0,
      },
    ]),
  ) as unknown as Registry;

const opened: Engines[] = [];
const said: string[] = [];
function choosing(present: readonly EngineName[], options: EngineOptions = {}, workers = 1): Engines {
  const made = new Engines(options, {
    say: (text) => said.push(text),
    now: () => performance.now() / 1000,
    registry: registryOf(present, workers),
    entry,
  });
  opened.push(made);
  return made;
}
afterEach(() => {
  said.splice(0);
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
    expect(error).toMatchObject({ exitCode: 7, diagnostics: [{ code: "engine_unavailable", message: "TensorFlow.js is not installed" }] });
  });
  it("that has no memory for one model is a mistake of the spec, not of the engine", async () => {
    const error = await choosing(["onnxruntime"])
      .choose({ ...work, width: 32 })
      .catch((each: unknown) => each);
    expect(error).toBeInstanceOf(UserError);
    expect(error).toMatchObject({ exitCode: 2, diagnostics: [{ code: "does_not_fit" }] });
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

describe("timing", () => {
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
