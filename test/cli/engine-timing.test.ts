/** What is timed of a step that takes long. */
import { join } from "node:path";
import { expect, it } from "vitest";
import { timedPart } from "../../src/cli/engine-timing.ts";
import { flopsPerStep } from "../../src/model/config.ts";
import { readPlan } from "../../src/spec/read.ts";
import { openingTrials } from "../../src/sweep/agenda.ts";
import { stackJob } from "../../src/sweep/trials.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();
const text = "name: x\ndata: {source: moby-dick}\nmodel: {context: 100000}\nwidth: {proxy: 16, target: 32}\n";
const plan = await readPlan({ text, file: "x.yaml", directory: folder }, join(folder, "cache"));
const job = stackJob(plan, openingTrials(plan.spec).slice(0, 1), 16, 1);
const flopsOf = ({ model, train }: typeof job): number => flopsPerStep(model, train.batch);

it("is fewer and shorter sequences of the same model, and its share of the step", () => {
  const { job: part, share } = timedPart(job, "cpu");
  expect(flopsOf(part)).toBeLessThan(1e11);
  expect(flopsOf(part)).toBeGreaterThan(1e10);
  expect(share).toBeCloseTo(flopsOf(part) / flopsOf(job), 12);
  expect({ ...part.model, context: 0 }).toEqual({ ...job.model, context: 0 });
});
it("is all of a step that does not", () => {
  const short = { ...job, model: { ...job.model, context: 64 } };
  expect(timedPart(short, "cpu")).toEqual({ job: short, share: 1 });
});
