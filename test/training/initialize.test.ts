import { isDeepStrictEqual } from "node:util";
import { describe, expect, it } from "vitest";
import type { ModelConfig } from "../../src/model/config.ts";
import { trainingStep } from "../../src/model/step.ts";
import { parametersOf } from "../../src/model/transformer.ts";
import type { CompleteHyperparameters } from "../../src/parametrization/roles.ts";
import { table } from "../../src/parametrization/table.ts";
import { initialState, initialStates } from "../../src/training/initialize.ts";

const hyperparameters: CompleteHyperparameters = {
  learning_rate: 0.01,
  init_std: 0.8,
  embedding_std: 0.5,
  input_multiplier: 2,
  output_multiplier: 6,
  attention_multiplier: 0.5,
  weight_decay: 0.1,
};
const config: ModelConfig = {
  layers: 1,
  width: 128,
  headDim: 16,
  context: 32,
  mlpRatio: 4,
  vocabSize: 96,
  biases: true,
  zeroInit: ["query"],
};
const scaling = { rules: table.mup, width: 128, baseWidth: 32, headDim: 16, epsilon: 1e-8 };
const program = trainingStep(config, { trials: 2, batch: 1, beta1: 0.9, beta2: 0.95, weightDecay: true });
const lanes = [
  { hyperparameters, seed: 1 },
  { hyperparameters: { ...hyperparameters, learning_rate: 0.02, init_std: 1.6 }, seed: 1 },
];

describe("a stack's starting state", () => {
  const state = initialState(config, scaling, lanes, program);
  const std = (values: Float32Array): number => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
  const lane = (name: string, n: number): Float32Array => {
    const { weight } = state.parameters.get(name) ?? { weight: new Float32Array() };
    return weight.subarray((n * weight.length) / 2, ((n + 1) * weight.length) / 2);
  };

  it.each([
    ["token_embedding", 0.5],
    ["position_embedding", 0.5],
    ["blocks.0.attention.key.weight", 0.8 / Math.sqrt(128)],
    ["blocks.0.mlp.up.weight", 0.8 / Math.sqrt(128)],
    ["blocks.0.mlp.down.weight", 0.8 / Math.sqrt(512)],
    ["readout.weight", 0.8 / Math.sqrt(32)],
  ])("%s has std %f", (name, expected) => {
    expect(std(lane(name, 0)) / expected).toBeGreaterThan(0.97);
    expect(std(lane(name, 0)) / expected).toBeLessThan(1.03);
  });

  it("has gains of one, and biases and zero-init tensors of zero", () => {
    for (const { name, role, zeroInit } of parametersOf(config)) {
      if (role === "norm") expect(new Set(lane(name, 0)), name).toEqual(new Set([1]));
      if (role === "bias" || zeroInit) expect(new Set(lane(name, 0)), name).toEqual(new Set([0]));
    }
  });

  it("uses common random numbers: lanes of one seed differ by their scales only", () => {
    const [first, second] = [lane("blocks.0.attention.key.weight", 0), lane("blocks.0.attention.key.weight", 1)];
    expect(
      isDeepStrictEqual(
        second,
        first.map((value) => 2 * value),
      ),
    ).toBe(true);
  });

  it("is under each of several scalings what it is alone", () => {
    const others = [scaling, { ...scaling, rules: table.sp }];
    const together = initialStates(config, others, lanes, program);
    expect(
      isDeepStrictEqual(
        [...together],
        others.map((each) => initialState(config, each, lanes, program)),
      ),
    ).toBe(true);
    expect(isDeepStrictEqual(together[1].parameters, state.parameters)).toBe(false);
  });

  it("draws every tensor from a stream of its own", () => {
    expect(lane("blocks.0.attention.key.weight", 0)).not.toEqual(lane("blocks.0.attention.value.weight", 0));
  });

  it("gives each lane its own scalars, scaled to the width", () => {
    const scalar = (name: string): number[] => [...(state.scalars.get(name) ?? [])].map((value) => Number(value.toPrecision(6)));
    expect(scalar("learning_rate.hidden")).toEqual([0.0025, 0.005]);
    expect(scalar("learning_rate.readout")).toEqual([0.01, 0.02]);
    expect(scalar("decay.hidden")).toEqual([0.001, 0.002]);
    expect(scalar("decay.embedding")).toEqual([0.001, 0.002]);
    expect(scalar("output_multiplier")).toEqual([1.5, 1.5]);
    expect(scalar("input_multiplier")).toEqual([2, 2]);
    expect(scalar("attention_scale")).toEqual([0.125, 0.125]);
    expect(scalar("epsilon.norm")).toEqual([2.5e-9, 2.5e-9]);
  });
});
