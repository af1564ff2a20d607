/** Sweeps as data: called without a terminal, told by events, stopped from outside, and gone on with. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runFiles } from "../../src/run/run-folder.ts";
import type { SpecFile } from "../../src/spec/read.ts";
import { retry } from "../../src/studies/retry.ts";
import { readStatus } from "../../src/studies/status.ts";
import { Stopped } from "../../src/studies/stopping.ts";
import { sweep, type SweepOptions } from "../../src/studies/sweep.ts";
import { temporaryFolder } from "../support/folder.ts";
import { cpuEngine } from "../support/native.ts";
import { surroundings, tinySpec } from "../support/study.ts";

const folder = temporaryFolder();
const spec: SpecFile = { text: tinySpec(), file: "tiny.yaml", directory: folder };
const into = (name: string, more: Partial<SweepOptions> = {}): SweepOptions => ({
  ...{ out: join(folder, name), engine: cpuEngine, jobs: 1, stack: 2, checkpoint: {} },
  ...more,
});
const bytes = (name: string, file: string): string => readFileSync(join(folder, name, file), "utf8");

describe("a sweep", () => {
  it("comes to a winner, which its file and its events name as well", async () => {
    const { setting, of, events } = surroundings(folder);
    const { head, summaries, leaders, rankedCount, path } = await sweep(spec, into("whole"), setting);
    expect([rankedCount, summaries.length, leaders.length]).toEqual([4, 8, 4]);
    expect(leaders[0].id).toBe(head.best?.trial);
    expect(JSON.parse(readFileSync(path, "utf8"))).toMatchObject({
      best: head.best,
      environment: { mutransfer: "0.0.0-test", node: "v0" },
    });
    expect(of("sweep_finished")).toEqual([{ event: "sweep_finished", best: head.best, cost: head.cost, results: path }]);
    const kinds = events.map(({ event }) => event).filter((event) => !event.startsWith("stack_") && event !== "note");
    expect([...new Set(kinds)]).toEqual([
      ...["plan_read", "run_opened", "setup_chosen", "sweep_started", "trial_finished", "training_over", "sweep_finished"],
    ]);
  });

  it("stops when it is asked to, and goes on to the same bytes", async () => {
    const stopped = surroundings(folder, (event, stop) => event.event === "trial_finished" && event.trial.id === 1 && stop());
    await expect(sweep(spec, into("halved"), stopped.setting)).rejects.toMatchObject({ left: "everything" });
    expect(stopped.of("stopping")).toEqual([{ event: "stopping", after: "checkpoint" }]);
    expect(stopped.events.at(-1)).toEqual({ event: "training_over" });
    expect(readStatus(join(folder, "halved"))).toMatchObject({ completed: 2, planned: 8, isDone: false, process: null });
    const again = surroundings(folder);
    await sweep(spec, into("halved"), again.setting);
    expect(again.of("sweep_started")[0]).toMatchObject({ resumed: 2 });
    for (const file of [runFiles.results, runFiles.table]) expect(bytes("halved", file), file).toBe(bytes("whole", file));
  });

  it("stops at once when it is asked before anything was begun", async () => {
    const { setting } = surroundings(folder, (event, stop) => event.event === "run_opened" && setTimeout(stop));
    const stopped = await sweep(spec, into("early"), setting).catch((error: unknown) => error);
    expect(stopped).toBeInstanceOf(Stopped);
    expect((stopped as Stopped).left).toBe("nothing");
  });

  it("refuses another spec's folder before anything is started", async () => {
    const { setting, of } = surroundings(folder);
    const other = { ...spec, text: spec.text.replace("steps: 60", "steps: 40") };
    await expect(sweep(other, into("whole"), setting)).rejects.toMatchObject({
      kind: "disagreement",
      diagnostics: [{ code: "run_of_another_spec" }],
    });
    expect(of("setup_chosen")).toEqual([]);
  });
});

describe("a retry", () => {
  it("trains the named trials again and comes to the same results", async () => {
    const { setting, of } = surroundings(folder);
    const { engine, jobs, stack, checkpoint } = into("whole");
    const before = bytes("whole", runFiles.results);
    const options = { ...(engine && { engine }), ...(jobs && { jobs }), ...(stack && { stack }), checkpoint };
    const { rankedCount } = await retry(join(folder, "whole"), { ...options, ids: [2] }, setting);
    expect([rankedCount, new Set(of("trial_finished").map(({ trial }) => trial.id))]).toEqual([4, new Set([2])]);
    expect(bytes("whole", runFiles.results)).toBe(before);
  });

  it("wants trials to be named that there are", async () => {
    const { setting } = surroundings(folder);
    const refused = (ids: readonly number[]): Promise<unknown> =>
      retry(join(folder, "whole"), { ids, checkpoint: {} }, setting).catch((error: unknown) => error);
    expect(await refused([])).toMatchObject({ kind: "usage", diagnostics: [{ code: "nothing_to_retry" }] });
    expect(await refused([99])).toMatchObject({ kind: "usage", diagnostics: [{ code: "no_such_trial" }] });
  });
});
