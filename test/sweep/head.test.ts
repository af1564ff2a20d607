/** What a sweep under Muon comes to: both of its learning rates are rates, and its own is the one that is told of. */
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { Results } from "../../src/run/results.ts";
import { timesRates } from "../../src/spec/rates.ts";
import { readPlan } from "../../src/spec/read.ts";
import type { Plan } from "../../src/spec/plan.ts";
import { plain } from "../../src/report/style.ts";
import { renderVerdict } from "../../src/report/ranking.ts";
import { temporaryFolder } from "../support/folder.ts";
import { resultsOf } from "../support/results.ts";

const folder = temporaryFolder();
const range = "{distribution: log_uniform, min: 0.001, max: 0.064}";
const planOf = (parameters: string): Promise<Plan> => {
  const text = `name: x\ndata: {source: moby-dick}\nwidth: {proxy: 16, target: 64}\ntrain: {optimizer: {name: muon}}\nsearch: {confirm: false, trials: 7, parameters: {${parameters}}}\n`;
  return readPlan({ text, file: "x.yaml", directory: folder }, join(folder, "cache"));
};
const environment = { mutransfer: "0", node: "v20", engine: "e", device: "cpu", data_hash: "0", data_directory: "." };
const rates = [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064];

/** A sweep over one rate whose losses fall to the last of them by less than seeds explain, or have their lowest within. */
function sweepOver(plan: Plan, name: "learning_rate" | "muon_learning_rate", best: number): Results {
  const trials = rates.map((rate, id) => ({
    ...{ id, seed: plan.spec.seed, status: "completed" as const, steps: 600, curve: [] },
    hyperparameters: {
      ...{ learning_rate: 0.01, init_std: 1, embedding_std: 1, input_multiplier: 1, output_multiplier: 1, attention_multiplier: 1 },
      ...{ muon_learning_rate: 0.02, [name]: rate },
    },
    validation_loss: 2 + 1e-4 * Math.log2(rate / best) ** 2,
  }));
  return resultsOf(plan, trials, environment);
}

describe.each(["muon_learning_rate", "learning_rate"] as const)("a sweep over %s under Muon", (name) => {
  let plan: Plan;
  beforeAll(async () => {
    plan = await planOf(`${name}: ${range}`);
  });

  it("has no optimum at an edge, however little the winner gains by lying there", () => {
    const { best } = sweepOver(plan, name, 0.064);
    expect(best?.edges).toMatchObject([{ hyperparameter: name, side: "upper", matters: true }]);
  });

  it("says which rate's optimum it tells of", () => {
    const { analysis, ...head } = sweepOver(plan, name, 0.008);
    const isMuon = name === "muon_learning_rate";
    expect(analysis.rate).toBe(isMuon ? name : undefined);
    expect(analysis.optimum?.low).toBeLessThanOrEqual(0.008);
    expect(analysis.optimum?.high).toBeGreaterThanOrEqual(0.008);
    expect(renderVerdict({ ...head, analysis }, [], "results.json", plain)).toContain(`best ${isMuon ? "Muon " : ""}learning rate: 0.0`);
  });
});

it("the check before a launch moves every rate there is", async () => {
  const { spec } = await planOf("learning_rate: {value: 0.01}, init_std: {values: [1, 2, 3, 4, 5, 6, 7]}");
  expect(timesRates(spec, { learning_rate: 1, muon_learning_rate: 2, norm_learning_rate: 3 }, 2)).toEqual({
    ...{ learning_rate: 2, muon_learning_rate: 4, norm_learning_rate: 3 },
  });
  const adamw = { ...spec, train: { ...spec.train, optimizer: { ...spec.train.optimizer, name: "adamw" as const } } };
  expect(timesRates(adamw, { learning_rate: 1 }, 0.5)).toEqual({ learning_rate: 0.5 });
});
