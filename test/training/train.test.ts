import { expect, it } from "vitest";
import { programOf } from "../../src/training/train.ts";

const model = { layers: 1, width: 8, headDim: 4, context: 4, mlpRatio: 4, vocabSize: 11, biases: false, zeroInit: [] };
const schedule = { name: "constant", warmup: 0, final: 1 } as const;
const train = {
  steps: 1,
  batch: 1,
  beta1: 0.9,
  beta2: 0.95,
  schedule,
  precision: "float32" as const,
  evaluateEvery: 1,
  evaluateAt: [],
  evaluationBatches: 1,
};
const hyperparameters = {
  learning_rate: 0.01,
  init_std: 1,
  embedding_std: 1,
  input_multiplier: 1,
  output_multiplier: 1,
  attention_multiplier: 1,
};

it.each([
  [[0, 0], false],
  [[0, 0.1], true],
])("a step for lanes of weight decay %j decays weights: %s", (decays, expected) => {
  const lanes = decays.map((weight_decay) => ({ seed: 1, hyperparameters: { ...hyperparameters, weight_decay } }));
  expect(programOf({ model, train, lanes }).scalars.includes("decay.hidden")).toBe(expected);
});
