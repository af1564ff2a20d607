/** What a program gets hold of: promises with events and a signal, mistakes in its own words, and nothing printed or left behind. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { parse } from "yaml";
import {
  coordCheck,
  curves,
  parametrize,
  plan,
  readResults,
  Stopped,
  type Study,
  sweep,
  table,
  transfer,
  UserError,
  type Spec,
  type SweepOptions,
} from "../../src/index.ts";
import { temporaryFolder } from "../support/folder.ts";
import { cpuEngine } from "../support/native.ts";
import { tinySpec } from "../support/study.ts";

const folder = temporaryFolder();
process.env["MUTRANSFER_CACHE"] = join(folder, "cache");
const spec = parse(tinySpec()) as Spec;
const options = { engine: cpuEngine, jobs: 1, checkpoint: { steps: 10 } };
const into = (name: string): { readonly out: string } => ({ out: join(folder, name) });

afterEach(() => {
  vi.restoreAllMocks();
});

it("gives the results and the events, prints nothing, and listens to nothing afterwards", async () => {
  const spies = [
    vi.spyOn(process.stdout, "write").mockReturnValue(true),
    vi.spyOn(process.stderr, "write").mockReturnValue(true),
    vi.spyOn(process, "exit").mockReturnValue(undefined as never),
  ];
  const { signal } = new AbortController();
  const removed = vi.spyOn(signal, "removeEventListener");
  const listeners = process.eventNames();
  const kinds: string[] = [];
  const study = sweep(spec, { ...options, ...into("whole"), signal });
  for await (const { event } of study) kinds.push(event);
  const { record, path } = await study;
  const calls = spies.map(({ mock }) => mock.calls);
  vi.restoreAllMocks();
  expect(calls).toEqual([[], [], []]);
  expect(removed).toHaveBeenCalledTimes(1);
  expect(process.eventNames()).toEqual(listeners);
  expect(kinds.filter((kind) => kind === "trial_finished").length).toBe(8);
  expect([kinds[0], kinds.at(-1)]).toEqual(["plan_read", "sweep_finished"]);
  expect(readResults(path)).toEqual(record);
  expect(record.best).not.toBeNull();
});

it("takes a spec as a file or as data alike", async () => {
  const file = join(folder, "tiny.yaml");
  writeFileSync(file, tinySpec());
  expect((await table(file)).tensors).toEqual((await table(spec)).tensors);
});

it("stops when it is told to, says what there is to go on from, and goes on to the same bytes", async () => {
  const controller = new AbortController();
  const study = sweep(spec, { ...options, stack: 1, ...into("stopped"), signal: controller.signal });
  const read = async (): Promise<void> => {
    for await (const { event } of study) if (event === "trial_finished") controller.abort();
  };
  await expect(read()).rejects.toBeInstanceOf(Stopped);
  await expect(study).rejects.toMatchObject({ name: "AbortError", code: "stopped" });
  const { path } = await sweep(spec, { ...options, stack: 1, ...into("stopped") });
  expect(readFileSync(path, "latin1")).toBe(readFileSync(join(folder, "whole/results.json"), "latin1"));
});

it.each<[string, (signal: AbortSignal) => Study<unknown>]>([
  ["sweep", (signal) => sweep(spec, { ...options, ...into("never"), signal })],
  ["transfer", (signal) => transfer(join(folder, "whole/results.json"), { engine: cpuEngine, ...into("never"), force: true, signal })],
  ["coordCheck", (signal) => coordCheck(spec, { engine: cpuEngine, ...into("never"), signal })],
  ["plan", (signal) => plan(spec, { engine: cpuEngine, signal })],
])("%s heeds a signal that was there before it", async (_, begin) => {
  await expect(begin(AbortSignal.abort())).rejects.toBeInstanceOf(Stopped);
});

it("ends a loop that is left without ending the study", async () => {
  const study = plan(spec, { engine: cpuEngine });
  for await (const event of study) if (event.event === "plan_counted") break;
  expect((await study).proxies.models).toBe(8);
});

it("tells mistakes in a program's words, with code, kind and place", async () => {
  const mistaken = { ...spec, width: { ...spec.width, proxy: 15 } };
  const error: unknown = await plan(mistaken).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UserError);
  expect(error).toMatchObject({ kind: "usage", diagnostics: [{ path: "width.proxy" }] });
  expect((error as UserError).diagnostics[0]).not.toHaveProperty("position");
  const other = sweep({ ...spec, seed: 7 }, { ...options, ...into("whole") });
  const refused = (await other.catch((thrown: unknown) => thrown)) as UserError;
  expect(refused.kind).toBe("disagreement");
  const told = refused.diagnostics.map(({ message, hint }) => `${message} ${hint}`).join("\n");
  expect(told).toContain("another folder with out");
  expect(told).not.toContain("--");
});

it("gives what the system refuses as a mistake of kind io", async () => {
  const blocked = join(folder, "blocked");
  writeFileSync(blocked, "");
  await expect(sweep(spec, { ...options, out: join(blocked, "run") })).rejects.toMatchObject({ kind: "io", code: "io_error" });
  mkdirSync(join(folder, "empty"));
  expect(() => readResults(join(folder, "empty/results.json"))).toThrow(UserError);
  await expect(curves(spec, into("curves"))).rejects.toMatchObject({ code: "no_curves" });
});

/** Everything that a block can have besides, at a width and a depth that are not the base's. */
const modern = {
  ...{ name: "modern", parametrization: "completep", width: { base: 32, proxy: 32, target: 64 }, depth: { base: 1, proxy: 1, target: 4 } },
  model: { preset: "qwen3", head_dim: 8, context: 16 },
  train: { ...spec.train, optimizer: { name: "muon", weight_decay: 0.1 } },
  ...{ data: spec.data, seed: spec.seed },
  search: {
    trials: 1,
    parameters: {
      ...{ learning_rate: { value: 0.01 }, muon_learning_rate: { value: 0.03 }, output_multiplier: { value: 4 } },
      ...{ embedding_learning_rate: { value: 2 }, norm_learning_rate: { value: 3 } },
    },
  },
} as unknown as Spec;
it.each<[string, number, Spec]>([
  ["GPT-2's block", 0, spec],
  ["a qwen3-like block under Muon", 0.1, modern],
  ["tied embeddings under Muon", 0.1, { ...modern, model: { ...modern.model, tied_embeddings: true } }],
])("parametrizes another's model as the table does this one's: %s", async (_, decay, ofTable) => {
  const { size, base, hyperparameters, tensors } = await table(ofTable, { width: 64 });
  const { parametrization = "mup" } = ofTable;
  const rows = tensors.tensors.map(({ name, role, shape, init_std }) => {
    const fanIn = (role === "hidden" || role === "readout") && { fanIn: shape[0] };
    // Norms' gains and biases are in blocks or not; of other roles it is known.
    const inBlock = (role === "norm" || role === "bias") && { inBlock: name.startsWith("blocks.") };
    return [name, { role, ...fanIn, ...inBlock, zeroInit: init_std === 0 }] as const;
  });
  const found = parametrize({
    ...{ parametrization, width: size.width, baseWidth: base.width, headDim: 8 },
    ...(parametrization === "completep" && { depth: { layers: size.layers, baseLayers: base.layers } }),
    tensors: Object.fromEntries(rows),
    hyperparameters: { learning_rate: NaN, ...hyperparameters, weight_decay: decay },
  });
  expect(found.attentionScale).toBe(tensors.attention_scale);
  expect(found.residualMultiplier).toBe(tensors.residual_multiplier ?? 1);
  for (const { name, multiplier, init_std, learning_rate, weight_decay, epsilon } of tensors.tensors) {
    const { initStd, ...rest } = found.tensors[name];
    expect(rest, name).toEqual({ multiplier, learningRate: learning_rate, weightDecay: weight_decay, epsilon });
    expect(initStd).toBeCloseTo(init_std, 12);
  }
});

it("names every number that parametrize cannot take", () => {
  const wrong = {
    ...{ width: 0, baseWidth: 8.5, headDim: 8, depth: { layers: 2, baseLayers: 2 } },
    hyperparameters: { learning_rate: -1, momentum: 1 },
    tensors: { a: { role: "hidden" }, b: { role: "weight" } },
  } as unknown as Parameters<typeof parametrize>[0];
  const paths = (): readonly (string | undefined)[] => {
    try {
      parametrize(wrong);
    } catch (error) {
      return (error as UserError).diagnostics.map(({ path }) => path);
    }
    return [];
  };
  expect(paths()).toEqual([
    ...["width", "baseWidth", "depth", "hyperparameters.learning_rate", "hyperparameters.momentum", "tensors.a.fanIn", "tensors.b.role"],
  ]);
});

describe("arguments", () => {
  const results = join(folder, "whole/results.json");
  const tiny = { engine: cpuEngine, ...into("refused") };
  it.each<[string, string, () => Study<unknown>]>([
    ["sweep", "jobs", () => sweep(spec, { ...tiny, jobs: 0 })],
    ["sweep", "stack", () => sweep(spec, { ...tiny, stack: 1.5 })],
    ["sweep", "checkpoint", () => sweep(spec, { ...tiny, checkpoint: { steps: 0 } })],
    ["sweep", "engine", () => sweep(spec, { ...tiny, engine: "constructor" as "native" })],
    ["sweep", "job", () => sweep(spec, { ...tiny, job: 3 } as object)],
    ["sweep", "options", () => sweep(spec, [] as object)],
    ["sweep", "signal", () => sweep(spec, { signal: {} as AbortSignal })],
    ["sweep", "spec", () => sweep(undefined as unknown as Spec, tiny)],
    ["sweep", "spec", () => sweep({ ...spec, seed: () => 1 } as unknown as Spec, tiny)],
    ["transfer", "width", () => transfer(results, { ...tiny, width: NaN })],
    ["transfer", "results", () => transfer(undefined as unknown as string, tiny)],
    ["curves", "out", () => curves(spec, { out: 5 as unknown as string })],
    ["coordCheck", "seeds", () => coordCheck(spec, { ...tiny, seeds: 1 })],
    ["coordCheck", "steps", () => coordCheck(spec, { ...tiny, steps: 2.5 })],
    ["coordCheck", "learningRate", () => coordCheck(spec, { ...tiny, learningRate: -1 })],
    ["coordCheck", "sizes", () => coordCheck(spec, { ...tiny, sizes: [-8, 8, 16, 64] })],
    ["plan", "jobs", () => plan(spec, { jobs: -1 })],
    ["table", "width", () => table(spec, { width: 0 })],
  ])("of %s are refused by name where they are no sense: %s", async (_, path, begin) => {
    await expect(begin()).rejects.toMatchObject({ kind: "usage", diagnostics: [{ code: "bad_argument", path }] });
    expect(existsSync(join(folder, "refused"))).toBe(false);
  });

  it("that are undefined mean the default", async () => {
    const open = { checkpoint: undefined, stack: undefined, signal: undefined } as unknown as SweepOptions;
    const { path } = await sweep(spec, { ...options, ...into("defaults"), ...open });
    expect(readFileSync(path, "latin1")).toBe(readFileSync(results, "latin1"));
  });

  it("are read when the study is asked for, not when it begins", async () => {
    const changing = structuredClone(spec) as { width: { target: number } };
    const study = table(changing as unknown as Spec);
    changing.width.target = 80;
    expect((await study).size).toEqual((await table(spec)).size);
  });

  it("are named as data in mistakes, and paths as they are", async () => {
    const missing = join(folder, "--my-spec --out x.yaml");
    await expect(plan(missing)).rejects.toMatchObject({ message: expect.stringContaining(missing) as string });
    await expect(coordCheck(spec, { sizes: [8, 16, 32, 33] })).rejects.toMatchObject({ diagnostics: [{ path: "sizes" }] });
  });
});

it("tells of a stop before anything was begun, and of its reason", async () => {
  const reason = new Error("enough");
  const launch = transfer(join(folder, "whole/results.json"), {
    engine: cpuEngine,
    ...into("unbegun"),
    force: true,
    signal: AbortSignal.abort(reason),
  });
  await expect(launch).rejects.toMatchObject({ left: "nothing", cause: reason });
  await expect(table(spec, { signal: AbortSignal.abort() })).rejects.toBeInstanceOf(Stopped);
});

it("keeps no listener for a loop that is left before its first step", async () => {
  const study = table(spec);
  const loop = study[Symbol.asyncIterator]();
  await loop.return();
  expect((study as unknown as { listeners: Set<unknown> }).listeners.size).toBe(0);
  await study;
});
