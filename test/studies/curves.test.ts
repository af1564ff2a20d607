/** Curves, coordinate checks and forecasts as data: called without a terminal. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Parametrization } from "../../src/parametrization/roles.ts";
import { table, type Rules } from "../../src/parametrization/table.ts";
import type { Plan } from "../../src/spec/plan.ts";
import { readPlan } from "../../src/spec/read.ts";
import type { Curves } from "../../src/evidence/records.ts";
import { checkCoordinates } from "../../src/studies/coord-check.ts";
import { curves } from "../../src/studies/curves.ts";
import { forecast } from "../../src/studies/forecast.ts";
import { Stopped } from "../../src/studies/stopping.ts";
import { temporaryFolder } from "../support/folder.ts";
import { cpuEngine } from "../support/native.ts";
import { surroundings, tinySpec } from "../support/study.ts";

const folder = temporaryFolder();
const planOf = (lines = ""): Promise<Plan> =>
  readPlan({ text: tinySpec(lines), file: "tiny.yaml", directory: folder }, join(folder, "cache"));

describe("curves", () => {
  const lines = "curves: {widths: [8, 16], learning_rates: {min: 0.01, max: 0.1, count: 4}, seeds: 2, parametrizations: [mup]}\n";
  const options = { out: join(folder, "curves"), engine: cpuEngine, checkpoint: {} } as const;

  it("have a point for every rate and seed at every width, and are written down", async () => {
    const { setting, of } = surroundings(folder);
    const { record, path } = await curves(await planOf(lines), "tiny.yaml", options, setting);
    const [{ curves: ofWidths }] = record.families;
    expect(ofWidths.map(({ size, points }) => [size, points.map(({ losses }) => losses.length)])).toEqual([
      [8, [2, 2, 2, 2]],
      [16, [2, 2, 2, 2]],
    ]);
    expect(JSON.parse(readFileSync(path, "utf8"))).toEqual(record);
    expect(of("sweep_started").map(({ name }) => name)).toEqual(["tiny-mup-8", "tiny-mup-16"]);
  });

  it("train nothing twice", async () => {
    const { setting, of } = surroundings(folder);
    await curves(await planOf(lines), "tiny.yaml", options, setting);
    expect(of("sweep_started")).toEqual([]);
  });

  it("of a single width are inconclusive, and its figures are given", async () => {
    const { record } = await curves(
      await planOf(lines.replace("[8, 16]", "[16, 16]")),
      "tiny.yaml",
      { ...options, out: join(folder, "single") },
      surroundings(folder).setting,
    );
    expect(record).toMatchObject({ verdict: "INCONCLUSIVE", families: [{ missing: ["sizes"], drift: null, gap: null, places: 0 }] });
    expect(record.families[0].curves.map(({ size, optimum }) => [size, optimum?.loss])).toEqual([[16, expect.any(Number)]]);
  });

  it("are refused without widths and rates to compare", async () => {
    await expect(curves(await planOf(), "tiny.yaml", options, surroundings(folder).setting)).rejects.toMatchObject({
      diagnostics: [{ code: "no_curves" }],
    });
  });
});

it.each<readonly [string, string, string | undefined]>([
  ["Muon's rate", "learning_rate: {value: 0.02}", "muon_learning_rate"],
  ["the rate that it is tied to", "muon_learning_rate: {same_as: learning_rate}", undefined],
])("under Muon are over %s, and say so", async (name, parameters, over) => {
  const lines = `curves: {widths: [8, 16], learning_rates: {min: 0.01, max: 0.1, count: 4}, seeds: 1, parametrizations: [mup]}\n`;
  const text = tinySpec(lines)
    .replace(/parameters: .*/, `parameters: {${parameters}}}`)
    .replace("confirm: {top: 2, seeds: 2}", "confirm: false")
    .replace("trials: 4", "trials: 1")
    .replace("steps: 60", "steps: 4, optimizer: {name: muon}");
  const muon = await readPlan({ text, file: "x.yaml", directory: folder }, join(folder, "cache"));
  const out = join(folder, name);
  const { record } = await curves(muon, "x.yaml", { out, engine: cpuEngine, checkpoint: {} }, surroundings(folder).setting);
  expect(record.hyperparameter).toBe(over);
  const tried = readFileSync(join(out, "mup-16/journal.jsonl"), "utf8");
  expect(tried.includes('"muon_learning_rate":0.1')).toBe(true);
  expect(tried.includes('"learning_rate":0.1')).toBe(over === undefined);
});

describe("what is compared", () => {
  const open = "curves: {widths: [8, 16], learning_rates: {min: 0.01, max: 0.1, count: 4}, seeds: 1}\n";
  const out = join(folder, "compared");
  const drawn = async (lines: string): Promise<{ readonly compared: readonly string[]; readonly trained: readonly string[] }> => {
    const { setting, of } = surroundings(folder);
    const { record } = await curves(await planOf(lines), "tiny.yaml", { out, engine: cpuEngine, checkpoint: {} }, setting);
    return {
      compared: record.families.map(({ parametrization }) => parametrization),
      trained: of("sweep_started").map(({ name }) => name),
    };
  };

  it("is mup with SP as people use it unless the spec says otherwise, and at the base they are one", async () => {
    expect(await drawn(open)).toEqual({
      compared: ["mup", "sp_fan_in"],
      trained: ["tiny-mup-8", "tiny-mup-16", "tiny-sp_fan_in-16"],
    });
    expect(readdirSync(out).sort()).toEqual(["curves.json", "mup-16", "mup-8", "sp_fan_in-16"]);
    const { families } = JSON.parse(readFileSync(join(out, "curves.json"), "utf8")) as Curves;
    expect(families[1].curves[0].points).toEqual(families[0].curves[0].points);
    expect(families[1].curves[1].points).not.toEqual(families[0].curves[1].points);
  });
  it("at the base is the same bit for bit where it is trained by itself", async () => {
    const alone = open.replace("seeds: 1", "seeds: 1, parametrizations: [sp_fan_in]");
    const own = join(folder, "alone");
    const { record } = await curves(
      await planOf(alone),
      "tiny.yaml",
      { out: own, engine: cpuEngine, checkpoint: {} },
      surroundings(folder).setting,
    );
    const { families } = JSON.parse(readFileSync(join(out, "curves.json"), "utf8")) as Curves;
    expect(record.families[0].curves).toEqual(families[1].curves);
    // It is not the spec's own, on which there is no verdict then.
    expect(record.verdict).toBeNull();
  });
  it("is with the earlier control as well where it is named, and what is there stays", async () => {
    expect(await drawn(open.replace("seeds: 1", "seeds: 1, parametrizations: [mup, sp_fan_in, sp]"))).toEqual({
      compared: ["mup", "sp_fan_in", "sp"],
      trained: ["tiny-sp-16"],
    });
  });
  it("stays what an older version has begun with", async () => {
    rmSync(join(out, "sp_fan_in-16"), { recursive: true });
    expect(await drawn(open)).toEqual({ compared: ["mup", "sp"], trained: [] });
    // Nothing tells that one which was stopped in its first width was not of this version, but that this one makes the control's folder first.
    for (const name of ["sp-16", "mup-16"]) rmSync(join(out, name), { recursive: true });
    expect(await drawn(open)).toEqual({ compared: ["mup", "sp"], trained: ["tiny-mup-16", "tiny-sp-16"] });
    expect(existsSync(join(out, "sp_fan_in-16"))).toBe(false);
  });
  it("stays what this version has begun with, wherever it was stopped", async () => {
    rmSync(out, { recursive: true });
    mkdirSync(out);
    const stopped = surroundings(folder, (event, stop) => event.event === "stack_finished" && stop());
    await expect(
      curves(await planOf(open), "tiny.yaml", { out, engine: cpuEngine, checkpoint: {} }, stopped.setting),
    ).rejects.toBeInstanceOf(Stopped);
    expect(readdirSync(out).sort()).toEqual(["mup-8", "sp_fan_in-16"]);
    expect((await drawn(open)).compared).toEqual(["mup", "sp_fan_in"]);
  });
});

describe("a verdict", () => {
  /** Trains a family under rules of its own: SP's name with others' rules. */
  async function familyUnder(rules: Rules): Promise<Curves> {
    const changeable = table as Record<Parametrization, Rules>;
    const { sp } = changeable;
    changeable.sp = rules;
    try {
      const text = `name: broken
data: {source: moby-dick, tokenizer: characters}
model: {layers: 1, head_dim: 8, context: 16, zero_init: []}
parametrization: sp
width: {proxy: 8, target: 32}
train: {steps: 60, batch: 8, evaluate: {every: 60, batches: 8}}
search: {trials: 1, parameters: {output_multiplier: {value: 4}}}
curves: {widths: [8, 32], learning_rates: {min: 0.002, max: 0.512, count: 5}, seeds: 3, parametrizations: [sp]}
`;
      const plan = await readPlan({ text, file: "broken.yaml", directory: folder }, join(folder, "cache"));
      const out = join(folder, "broken");
      rmSync(out, { recursive: true, force: true });
      return (await curves(plan, "broken.yaml", { out, engine: cpuEngine, checkpoint: {} }, surroundings(folder).setting)).record;
    } finally {
      changeable.sp = sp;
    }
  }

  it("does not praise models whose rules make them worse the wider they are", async () => {
    const { mup } = table;
    // The readout's initial weights grow with the width: there is all the more to unlearn.
    const { verdict, families } = await familyUnder({ ...mup, readout: { ...mup.readout, initStd: 1 } });
    expect(verdict).toBe("DOES_NOT_TRANSFER");
    expect(families[0].larger_is_better).not.toBe(true);
  });
  it("finds nothing of the kind under the rules as they are", async () => {
    const [{ larger_is_better: improves, violations }] = (await familyUnder(table.mup)).families;
    expect([improves, violations]).toEqual([true, []]);
  });
});

describe("a coordinate check", () => {
  it("judges what its models of every size have shown, and is written down", async () => {
    const { setting, of } = surroundings(folder);
    const options = { axis: "width", sizes: [8, 16, 32, 64], seeds: 2, steps: 2, out: join(folder, "check"), engine: cpuEngine } as const;
    const { record, path } = await checkCoordinates(await planOf(), options, setting);
    expect(["PASS", "WARN", "FAIL", "INCONCLUSIVE"]).toContain(record.verdict);
    expect(record.coordinates.every(({ means }) => means.length === 4)).toBe(true);
    expect(JSON.parse(readFileSync(path, "utf8"))).toEqual(record);
    expect(of("size_started").map(({ size }) => size)).toEqual([32, 64, 128, 256]);
    expect(of("engine_chosen").length).toBe(1);
  });

  it("is refused sizes that no slope can be told from", async () => {
    const options = { axis: "width", sizes: [8, 16], seeds: 2, steps: 2 } as const;
    const { setting } = surroundings(folder);
    const refused = async (): Promise<unknown> => checkCoordinates(await planOf(), options, setting);
    await expect(refused()).rejects.toMatchObject({ diagnostics: [{ code: "bad_sizes" }] });
  });
});

describe("a forecast", () => {
  it("counts trainings and FLOPs, and times a step of proxies and target", async () => {
    const { setting, of } = surroundings(folder);
    const { proxies, target, confirmations, setup } = await forecast(await planOf(), { engine: cpuEngine }, setting);
    expect([proxies.models, target.models, confirmations, proxies.width, target.width]).toEqual([8, 1, 4, 8, 16]);
    for (const { seconds, flops, memoryBytes, checkpointBytes } of [proxies, target])
      for (const amount of [seconds, flops, memoryBytes, checkpointBytes]) expect(amount).toBeGreaterThan(0);
    expect(setup.timed.length).toBeGreaterThan(0);
    expect(of("target_not_timed")).toEqual([]);
  });
});
