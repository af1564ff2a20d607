import { join } from "node:path";
import { expect, it } from "vitest";
import { readPlan } from "../../src/spec/read.ts";
import type { Results } from "../../src/sweep/results.ts";
import { openingTrials } from "../../src/sweep/agenda.ts";
import { planLaunch, weightsMetadata } from "../../src/transfer/transfer.ts";
import { temporaryFolder } from "../support/folder.ts";
import { resultsOf } from "../support/results.ts";

const folder = temporaryFolder();
const text = `name: x
data: {source: moby-dick}
model: {head_dim: 16}
width: {proxy: 16, target: 64}
search: {confirm: false, trials: 1, parameters: {output_multiplier: {value: 8}}}
`;

it("the weights' metadata holds the multipliers at the target's width", async () => {
  const plan = await readPlan({ text, file: "x.yaml", directory: folder }, join(folder, "cache"));
  const trials = openingTrials(plan.spec).map((trial) => ({
    ...trial,
    status: "completed" as const,
    validation_loss: 2,
    steps: 600,
    curve: [],
  }));
  const environment = { mutransfer: "0", node: "v20", engine: "e", device: "cpu", data_hash: plan.dataset.hash, data_directory: "." };
  const results = resultsOf(plan, trials, environment);
  const launch = planLaunch(plan, results, results.best as NonNullable<Results["best"]>, 64, 1);
  const { forward = "" } = weightsMetadata(plan, launch);
  expect(JSON.parse(forward)).toEqual({ input_multiplier: 1, attention_scale: 0.25, output_multiplier: 2 });
});
