/** How much of a step is timed, on workers whose speed is known beforehand. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { timeStepWithin, type StepTime, type Timing } from "../../src/placement/graduated.ts";
import { workOf } from "../../src/placement/parts.ts";
import { sizesOf } from "../../src/spec/plan.ts";
import { readPlan } from "../../src/spec/read.ts";
import { trainingOf } from "../../src/spec/training.ts";
import { openingTrials } from "../../src/sweep/agenda.ts";
import type { TaskKind, Task, TaskResult } from "../../src/workers/tasks.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();
const text = "name: x\ndata: {source: moby-dick}\nmodel: {context: 128}\nwidth: {proxy: 512, target: 1024}\n";
const plan = await readPlan({ text, file: "x.yaml", directory: folder }, join(folder, "cache"));
const training = trainingOf(plan, openingTrials(plan.spec).slice(0, 1), sizesOf(plan.spec).proxy, 1);

/** Workers that do so much work a second, and a clock that only they move on. */
function workers(perSecond: number): { readonly timing: Timing; readonly now: () => number; readonly timed: () => readonly number[] } {
  let clock = 0;
  const timed: number[] = [];
  const take = (steps: number, part: Timing["training"]): number => {
    clock += (steps * workOf(part)) / perSecond;
    return workOf(part) / perSecond;
  };
  const run = <K extends TaskKind>(task: Task<K>): Promise<TaskResult<K>> => {
    const { kind, training: part } = task as Task<"prepare" | "measure">;
    if (kind === "prepare") {
      timed.push(workOf(part));
      take(2, part);
    }
    return Promise.resolve({ secondsPerStep: take(1, part) } as unknown as TaskResult<K>);
  };
  return { timing: { pool: { run }, training, jobs: 1, kind: "cpu" }, now: () => clock, timed: () => timed };
}
const time = async (
  perSecond: number,
  seconds: number,
  known?: number,
): Promise<StepTime & { readonly took: number; readonly timed: readonly number[]; readonly notes: readonly string[] }> => {
  const { timing, now, timed } = workers(perSecond);
  const notes: string[] = [];
  const step = await timeStepWithin(seconds, timing, { now, note: (note) => notes.push(note) }, known);
  return { ...step, took: now(), timed: timed(), notes };
};

describe("a step", () => {
  it.each([1e8, 1e9, 1e10])(
    "at %d a second is timed within the time there is, on as much as fits, and scaled to all of it",
    async (speed) => {
      const { secondsPerStep, share, took, notes, timed } = await time(speed, 10);
      expect(took).toBeLessThan(12);
      expect(secondsPerStep).toBeCloseTo(workOf(training) / speed, 9);
      expect(share).toBeLessThan(1);
      expect(timed.every((work, index) => index === 0 || work > timed[index - 1])).toBe(true);
      expect(notes.at(-1) ?? "").toMatch(speed > 1e8 ? /^a step takes long: it is timed on .+ % of it$/ : /^$/);
    },
  );
  it("is timed whole where there is time for it", async () => {
    const { share, notes } = await time(1e11, 10);
    expect([share, notes.length]).toEqual([1, 1]);
  });
  it("is timed on the smallest part whatever there is time for", async () => {
    const { share, timed } = await time(1e6, 1);
    expect(timed).toHaveLength(1);
    expect(share).toBeGreaterThan(0);
  });
  it("is timed at once on what fits when the speed is known", async () => {
    const { timed, took } = await time(1e10, 10, 1e-10);
    expect(timed[0]).toBeGreaterThan(1e9);
    expect(took).toBeLessThan(12);
  });
});
