/** Every whole number of the schema at its worst: refused with a code, or quick to plan with; never accepted to die of later. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { describe, expect, it } from "vitest";
import { checkProxy } from "../../src/placement/memory.ts";
import { engines } from "../../src/engines/registry.ts";
import { UserError } from "../../src/errors.ts";
import { flopsPerStep } from "../../src/model/counts.ts";
import { bounds } from "../../src/spec/bounds.ts";
import { sizesOf, modelConfig } from "../../src/spec/plan.ts";
import { readPlan } from "../../src/spec/read.ts";
import { jsonSchema } from "../../src/spec/schema.ts";
import { openingTrials, plannedWork } from "../../src/sweep/agenda.ts";
import { programOf } from "../../src/training/train.ts";
import { temporaryFolder } from "../support/folder.ts";
import { trainingOf } from "../../src/spec/training.ts";

const folder = temporaryFolder();
const mostSeconds = 5;

interface Schema {
  readonly type?: string;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
}
type Path = readonly (string | number)[];

/** Whole numbers of the schema, with the largest that each may be. */
function numbersOf(
  { type, maximum = Infinity, properties = {}, anyOf = [], items }: Schema,
  path: Path = [],
): readonly (readonly [Path, number])[] {
  return [
    ...(type === "integer" ? [[path, maximum] as const] : []),
    ...Object.entries(properties).flatMap(([key, part]) => numbersOf(part, [...path, key])),
    ...anyOf.flatMap((part) => numbersOf(part, path)),
    ...(items === undefined ? [] : numbersOf(items, [...path, 0])),
  ];
}
const keys = numbersOf(jsonSchema() as Schema).filter(([[section]]) => section !== "data");

/** As small as a spec that has every section can be. */
const small = {
  name: "tiny",
  data: { source: "moby-dick" },
  model: { layers: 1, head_dim: 1, context: 1, mlp_ratio: 1 },
  parametrization: "completep",
  width: { base: 1, proxy: 1, target: 2 },
  depth: { base: 1, proxy: 1, target: 1 },
  train: { steps: 1, batch: 1, evaluate: { every: 1, batches: 1 } },
  search: { method: "tpe", trials: 1, batch: 1, early_stopping: { first: 1 }, confirm: { top: 1, seeds: 1 } },
  curves: { widths: [1, 2], depths: [1, 2], learning_rates: { min: 0.001, max: 0.1, count: 4 }, seeds: 1 },
};
function changed(value: unknown, [key, ...rest]: Path, to: number): unknown {
  if (key === undefined) return to;
  const entries = Object.entries(value ?? {}).filter(([name]) => name !== String(key));
  const part = changed((value as Readonly<Record<string, unknown>> | undefined)?.[key], rest, to);
  return Array.isArray(value)
    ? value.map((each, index) => (index === key ? part : (each as unknown)))
    : Object.fromEntries([...entries, [key, part]]);
}
/** Curves are over one axis. */
const without = (path: Path): object => ({
  ...small,
  curves: { ...small.curves, ...(path.includes("depths") ? { widths: undefined } : { depths: undefined }) },
});

/** Everything that `validate` and `plan` do before a step is timed; the code of what refuses it, or nothing. */
async function planned(spec: unknown): Promise<string> {
  const file = { text: stringify(spec), file: "x.yaml", directory: folder };
  try {
    const plan = await readPlan(file, join(folder, "cache"), checkProxy);
    const trials = openingTrials(plan.spec);
    plannedWork(plan.spec);
    for (const size of Object.values(sizesOf(plan.spec))) {
      const training = trainingOf(plan, trials.slice(0, 1), size, 2);
      await engines.native.footprint(programOf(training), 2);
      expect(flopsPerStep(modelConfig(plan, size), plan.spec.train.batch)).toBeLessThan(Infinity);
    }
    return "";
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    expect(error.kind).toBe("usage");
    return error.diagnostics[0].code;
  }
}
/** Plans a spec within a bound on this process's own CPU time, whatever else the machine does. */
async function inTime(spec: unknown): Promise<string> {
  const started = process.cpuUsage();
  const code = await planned(spec);
  const { user, system } = process.cpuUsage(started);
  expect((user + system) / 1e6).toBeLessThan(mostSeconds);
  return code;
}

it("the smallest spec is sound", async () => expect(await inTime(without([]))).toBe(""));

describe.each(keys)("%j, %d at most", (path, most) => {
  it("is bounded", () => expect(most).toBeLessThan(2 ** 32));
  it("is refused beyond its bound", async () => {
    for (const value of [most + 1, 2 ** 53 - 1]) expect(await inTime(changed(without(path), path, value)), String(value)).not.toBe("");
  });
  it("is refused or planned with at its bound, and at a billion", async () => {
    for (const value of [most, 1e9]) await inTime(changed(without(path), path, value));
  });
});

describe("products of keys", () => {
  const with_ = (...changes: readonly (readonly [Path, number])[]): unknown =>
    changes.reduce<unknown>((spec, [path, value]) => changed(spec, path, value), without([]));
  it.each<[string, unknown, string]>([
    ["tokens of a step", with_([["train", "batch"], 2 ** 12], [["model", "context"], 2 ** 12]), "step_too_large"],
    ["tokens of a step, at most", with_([["train", "batch"], 2 ** 12], [["model", "context"], 2 ** 10]), ""],
    [
      "tokens of an evaluation",
      with_([["train", "evaluate", "batches"], bounds.evaluationTokens], [["train", "batch"], 2]),
      "evaluation_too_large",
    ],
    ["points of a curve", with_([["train", "steps"], 1e6]), "too_many_evaluations"],
    [
      "confirmations",
      with_([["search", "trials"], 1e5], [["search", "confirm", "top"], 1e5], [["search", "confirm", "seeds"], 2]),
      "too_many_trials",
    ],
    [
      "parameters",
      with_([["width", "proxy"], 2 ** 17], [["width", "target"], 2 ** 17], [["depth", "proxy"], 512], [["depth", "target"], 1024]),
      "does_not_fit",
    ],
  ])("%s", async (_, spec, code) => expect(await inTime(spec)).toBe(code));

  it("of a vocabulary that no tokenizer has", async () => {
    writeFileSync(join(folder, "t.bin"), new Uint8Array(2000));
    const data = { source: { tokens: "t.bin", vocab_size: 20_000_000 } };
    expect(await inTime({ ...without([]), data })).toBe("out_of_range");
  });
  it("that exceed the memory are refused before data are looked for", async () => {
    const data = { source: { tokens: "nowhere.bin", vocab_size: 2 ** 20 } };
    const large = with_([["width", "proxy"], 2 ** 16], [["width", "target"], 2 ** 16]);
    expect(await inTime({ ...(large as object), data })).toBe("does_not_fit");
  });
});
