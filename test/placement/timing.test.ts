/** What is timed of a step that takes long. */
import { join } from "node:path";
import { expect, it } from "vitest";
import { timedPart } from "../../src/placement/parts.ts";
import { flopsPerStep } from "../../src/model/config.ts";
import { readPlan } from "../../src/spec/read.ts";
import { openingTrials } from "../../src/sweep/agenda.ts";
import { temporaryFolder } from "../support/folder.ts";
import { trainingOf } from "../../src/spec/training.ts";
import { sizesOf } from "../../src/spec/plan.ts";

const folder = temporaryFolder();
const text = "name: x\ndata: {source: moby-dick}\nmodel: {context: 100000}\nwidth: {proxy: 16, target: 32}\n";
const plan = await readPlan({ text, file: "x.yaml", directory: folder }, join(folder, "cache"));
const training = trainingOf(plan, openingTrials(plan.spec).slice(0, 1), sizesOf(plan.spec).proxy, 1);
const flopsOf = ({ model, train }: typeof training): number => flopsPerStep(model, train.batch);

it("is fewer and shorter sequences of the same model, and its share of the step", () => {
  const { training: part, share } = timedPart(training, "cpu");
  expect(flopsOf(part)).toBeLessThan(1e11);
  expect(flopsOf(part)).toBeGreaterThan(1e10);
  expect(share).toBeCloseTo(flopsOf(part) / flopsOf(training), 12);
  expect({ ...part.model, context: 0 }).toEqual({ ...training.model, context: 0 });
});
it("is all of a step that does not", () => {
  const short = { ...training, model: { ...training.model, context: 64 } };
  expect(timedPart(short, "cpu")).toEqual({ training: short, share: 1 });
});
