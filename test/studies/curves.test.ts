/** Curves, coordinate checks and forecasts as data: called without a terminal. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Plan } from "../../src/spec/plan.ts";
import { readPlan } from "../../src/spec/read.ts";
import { checkCoordinates } from "../../src/studies/coord-check.ts";
import { curves } from "../../src/studies/curves.ts";
import { forecast } from "../../src/studies/forecast.ts";
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

  it("are refused without widths and rates to compare", async () => {
    await expect(curves(await planOf(), "tiny.yaml", options, surroundings(folder).setting)).rejects.toMatchObject({
      diagnostics: [{ code: "no_curves" }],
    });
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
    expect(of("size_started").map(({ size }) => size)).toEqual([8, 16, 32, 64]);
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
