import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readPlan } from "../../src/spec/read.ts";
import { openingTrials } from "../../src/sweep/agenda.ts";
import { temporaryFolder } from "../support/folder.ts";
import { trainingOf } from "../../src/spec/training.ts";
import { sizesOf } from "../../src/spec/plan.ts";

const folder = temporaryFolder();
const text = `name: x
seed: 7
data: {source: moby-dick}
width: {proxy: 16, target: 64}
train: {optimizer: {weight_decay: 0.3}}
search: {confirm: false, method: grid, parameters: {learning_rate: {values: [0.01, 0.02]}, weight_decay: {values: [0, 0.1], transfers: false}}}
`;
const plan = await readPlan({ text, file: "x.yaml", directory: folder }, join(folder, "cache"));

describe("a sweep's trials", () => {
  const trials = openingTrials(plan.spec);
  const training = trainingOf(plan, trials, sizesOf(plan.spec).proxy, 1);

  it("share the spec's seed for their weights and their batches", () => {
    expect(trials.map(({ id, seed }) => [id, seed])).toEqual([0, 1, 2, 3].map((id) => [id, 7]));
    expect(training.lanes.map(({ seed }) => seed)).toEqual([7, 7, 7, 7]);
    expect(training.dataSeed).toBe(7);
  });

  it("have the weight decay that is searched, and without one the spec's", () => {
    expect(training.lanes.map(({ hyperparameters }) => hyperparameters.weight_decay)).toEqual([0, 0.1, 0, 0.1]);
    const [lane] = trainingOf(plan, [{ seed: 7, hyperparameters: { learning_rate: 0.01 } }], sizesOf(plan.spec).proxy, 1).lanes;
    expect(lane?.hyperparameters.weight_decay).toBe(0.3);
  });
});
