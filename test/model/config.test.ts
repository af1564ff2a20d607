import { describe, expect, it } from "vitest";
import type { ModelConfig } from "../../src/model/config.ts";
import { flopsPerStep, parameterCount } from "../../src/model/counts.ts";
import { parametersOf } from "../../src/model/transformer.ts";

const config: ModelConfig = {
  layers: 2,
  width: 32,
  headDim: 16,
  context: 64,
  mlpRatio: 4,
  vocabSize: 96,
  biases: false,
  zeroInit: ["readout", "query"],
};

describe("model counts", () => {
  it("has 12LC² hidden weights, two embeddings, a readout and 2L + 1 norms", () => {
    expect(parameterCount(config)).toBe(12 * 2 * 32 ** 2 + 96 * 32 + 64 * 32 + 32 * 96 + 5 * 32);
  });

  it("adds a bias to each of 6L linears and 2L + 1 norms", () => {
    const biases = parametersOf({ ...config, biases: true }).filter(({ role }) => role === "bias");
    expect(biases.length).toBe(6 * 2 + 5);
    expect(parameterCount({ ...config, biases: true }) - parameterCount(config)).toBe(2 * (5 * 32 + 4 * 32) + 5 * 32);
  });

  it("counts 6 · weights · tokens plus attention", () => {
    expect(flopsPerStep(config, 16)).toBe(6 * (12 * 2 * 32 ** 2 + 96 * 32) * 16 * 64 + 2 * 12 * 16 * 64 * 64 * 32);
  });

  it("starts exactly the named tensors at zero", () => {
    const zero = (each: ModelConfig): string[] => parametersOf(each).flatMap(({ name, zeroInit }) => (zeroInit ? [name] : []));
    expect(zero(config)).toEqual(["blocks.0.attention.query.weight", "blocks.1.attention.query.weight", "readout.weight"]);
    expect(zero({ ...config, zeroInit: [] })).toEqual([]);
  });
});
