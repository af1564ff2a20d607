/** What is timed of a step that takes long. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parameterCount } from "../../src/model/counts.ts";
import { timedPart, workOf } from "../../src/placement/parts.ts";
import { readPlan } from "../../src/spec/read.ts";
import { openingTrials } from "../../src/sweep/agenda.ts";
import { temporaryFolder } from "../support/folder.ts";
import { trainingOf } from "../../src/spec/training.ts";
import { sizesOf } from "../../src/spec/plan.ts";

const folder = temporaryFolder();
const text = "name: x\ndata: {source: moby-dick}\nmodel: {context: 100000}\nwidth: {proxy: 16, target: 32}\n";
const plan = await readPlan({ text, file: "x.yaml", directory: folder }, join(folder, "cache"));
const training = trainingOf(plan, openingTrials(plan.spec).slice(0, 4), sizesOf(plan.spec).proxy, 1);
const most = 1e11;

describe("a part", () => {
  it("is fewer and shorter sequences of the same models, and its share of the step", () => {
    const { training: part, share } = timedPart(training, most);
    expect(workOf(part)).toBeLessThan(most);
    expect(workOf(part)).toBeGreaterThan(most / 4);
    expect(share).toBeCloseTo(workOf(part) / workOf(training), 12);
    expect({ ...part.model, context: 0 }).toEqual({ ...training.model, context: 0 });
  });
  it("is all of a step that does not", () => {
    const short = { ...training, model: { ...training.model, context: 64 } };
    expect(timedPart(short, most)).toEqual({ training: short, share: 1 });
  });

  const model = { ...training.model, context: 64 };
  const huge = { ...model, width: 8192, headDim: 64, layers: 96, vocabSize: 200_000 };
  it.each([
    ["of a wide and deep model", huge],
    ["of a deep one", { ...model, layers: 1024 }],
    ["of a large vocabulary", { ...model, vocabSize: 2 ** 20 }],
    ["of long sequences", { ...huge, context: 2 ** 20 }],
    ["of wide heads", { ...huge, headDim: 8192 }],
  ])("%s has few parameters, and tokens enough for products", (_, large) => {
    const { training: part, share } = timedPart({ ...training, model: large, scaling: { ...training.scaling, width: large.width } }, 1e9);
    if (large.headDim < 8192) {
      expect(workOf(part)).toBeLessThanOrEqual(1e9);
      expect(workOf(part)).toBeGreaterThan(1e9 / 16);
      expect(part.lanes.length * parameterCount(part.model)).toBeLessThanOrEqual(1e6);
    }
    expect(share).toBeLessThan(0.01);
    expect(part.model.width % part.model.headDim).toBe(0);
    expect(part.scaling.width).toBe(part.model.width);
  });
});
