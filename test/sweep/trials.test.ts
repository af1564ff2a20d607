import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readPlan } from "../../src/spec/read.ts";
import { openingTrials } from "../../src/sweep/agenda.ts";
import { stackJob } from "../../src/sweep/trials.ts";
import { temporaryFolder } from "../support/folder.ts";

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
  const job = stackJob(plan, trials, 16, 1);

  it("share the spec's seed for their weights and their batches", () => {
    expect(trials.map(({ id, seed }) => [id, seed])).toEqual([0, 1, 2, 3].map((id) => [id, 7]));
    expect(job.lanes.map(({ seed }) => seed)).toEqual([7, 7, 7, 7]);
    expect(job.dataSeed).toBe(7);
  });

  it("have the weight decay that is searched, and without one the spec's", () => {
    expect(job.lanes.map(({ hps }) => hps.weight_decay)).toEqual([0, 0.1, 0, 0.1]);
    const [lane] = stackJob(plan, [{ seed: 7, hyperparameters: { learning_rate: 0.01 } }], 16, 1).lanes;
    expect(lane?.hps.weight_decay).toBe(0.3);
  });
});
