/** What a forecast tells at once, and what of steps that take long; its workers are the program's own. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readPlan } from "../../src/spec/read.ts";
import { renderCounts } from "../../src/report/plan.ts";
import { plain } from "../../src/report/style.ts";
import { countPlan } from "../../src/studies/counts.ts";
import { forecast } from "../../src/studies/forecast.ts";
import type { Plan } from "../../src/spec/plan.ts";
import { temporaryFolder } from "../support/folder.ts";
import { cpuEngine } from "../support/native.ts";
import { surroundings, tinySpec } from "../support/study.ts";

const folder = temporaryFolder();
const options = { out: join(folder, "none"), engine: cpuEngine };
const planOf = (text: string): Promise<Plan> => readPlan({ text, file: "x.yaml", directory: folder }, join(folder, "cache"));

describe("a forecast", () => {
  it("tells its counts before any engine, and then times whole steps where they are short", async () => {
    const plan = await planOf(tinySpec());
    const { setting, events } = surroundings(folder);
    const { setup, ...summary } = await forecast(plan, options, setting);
    expect(events.map(({ event }) => event)).toEqual(["plan_counted", "timing_started", "timing_started"]);
    expect(events[0]).toEqual({ event: "plan_counted", counts: countPlan(plan) });
    expect(summary).toMatchObject(countPlan(plan));
    expect([summary.proxies.timedShare, summary.target.timedShare]).toEqual([1, 1]);
    // The smallest part that there is.
    expect(setup.timed[0]).not.toHaveProperty("share");
  });

  it("tells what racing may add at most, apart from what is trained in any case", async () => {
    const { setting } = surroundings(folder);
    const { proxies, confirmations, racing, setup } = await forecast(await planOf(tinySpec()), { ...options, stack: 1, jobs: 1 }, setting);
    expect([proxies.models, confirmations]).toEqual([8, 4]);
    expect(racing).toMatchObject({ models: 4, flops: proxies.flops / 2, checkpointBytes: 0 });
    expect(racing.seconds / (proxies.seconds / 2)).toBeCloseTo(1);
    expect(setup.arrangement.jobs).toBe(1);
    const without = await planOf(tinySpec().replace("seeds: 2", "seeds: 2, most_seeds: 2"));
    expect(countPlan(without).racing).toEqual({ models: 0, flops: 0 });
  });

  it("counts what Muon's products take besides, whatever the batch", async () => {
    const muon = (batch: number): Promise<Plan> => planOf(tinySpec().replace("batch: 4", `batch: ${batch}, optimizer: {name: muon}`));
    const [one, four] = [countPlan(await muon(1)), countPlan(await muon(4))];
    expect(four.target.flops).toBe(4 * one.target.flops);
    // A block of width C has four matrices [C, C] and two [C, 4C]: five steps of 3n²k + n³ each.
    const [width, steps] = [16, 60];
    expect([one, four].map(({ target }) => target.muonFlops)).toEqual(Array(2).fill(steps * 5 * width ** 3 * (4 * 4 + 2 * 13)));
    expect(renderCounts(four, plain)).toMatch(/Muon's products, besides +\S+ MFLOP/);
    expect(renderCounts(countPlan(await planOf(tinySpec())), plain)).not.toContain("Muon");
  });

  it("of models of which no step can be waited for, and of a target that fits no machine, is from parts and says so", async () => {
    const text = tinySpec()
      .replace("layers: 1", "layers: 96")
      .replace("target: 16", "target: 131072")
      .replace("proxy: 8", "proxy: 256")
      .replace("moby-dick", "moby-dick, tokenizer: gpt2");
    const started = performance.now();
    const { setting, of } = surroundings(folder);
    const { proxies, target, setup } = await forecast(await planOf(text), { ...options, stack: 1 }, setting);
    // Ten seconds on a machine that does nothing else.
    expect(performance.now() - started).toBeLessThan(30_000);
    expect(setup.timed.find(({ share }) => share !== undefined)?.share).toBe(proxies.timedShare);
    expect(proxies.timedShare).toBeLessThan(1);
    expect(target).toMatchObject({ layers: 96, timedShare: null });
    expect(target.seconds / proxies.seconds).toBeGreaterThan(1000);
    expect(of("target_not_timed")).toMatchObject([{ why: expect.stringContaining("of memory") as string }]);
    expect(of("note").map(({ note }) => note)).toContainEqual(expect.stringMatching(/^a step takes long: it is timed on .* % of it$/));
  });
});
