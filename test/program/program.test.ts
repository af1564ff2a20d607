import { describe, expect, it } from "vitest";
import type { ModelConfig } from "../../src/model/config.ts";
import { trainingStep } from "../../src/model/step.ts";
import { modelOf, parametersOf } from "../../src/model/transformer.ts";
import { dumpProgram } from "../../src/program/dump.ts";
import { buildProgram } from "../../src/program/program.ts";

const config: ModelConfig = { layers: 2, width: 8, headDim: 4, context: 5, mlpRatio: 4, vocabSize: 7, biases: false, zeroInit: [] };
const options = { trials: 3, batch: 2, beta1: 0.9, beta2: 0.95, weightDecay: false };

describe("a program", () => {
  it("gives every parameter a gradient of its own shape and one update", () => {
    const program = trainingStep({ ...config, biases: true }, options);
    expect(program.updates.map((op) => (op.kind === "adamw" ? op.parameter : ""))).toEqual(program.parameters);
    for (const parameter of program.parameters) {
      expect(program.gradients.get(parameter)).toBe(`grad:${parameter}`);
      expect(program.shapes.get(`grad:${parameter}`)).toEqual(program.shapes.get(parameter));
    }
  });

  it("has the trial axis in front of every tensor", () => {
    for (const [name, shape] of trainingStep(config, options).shapes) expect(shape[0], name).toBe(3);
  });

  it("names the op and both shapes when operands do not fit", () => {
    const parameters = new Map(parametersOf(config).map(({ name, shape }) => [name, name === "position_embedding" ? [5, 6] : shape]));
    const constants = { learningRate: "rate", epsilon: "eps", beta1: 0.9, beta2: 0.95 };
    const updateOf = (parameter: string, gradient: string) => ({ kind: "adamw", parameter, gradient, ...constants }) as const;
    expect(() => buildProgram({ trials: 3, batch: 2, context: 5 }, parameters, modelOf(config).forward, { updateOf })).toThrow(
      "embedding: position_embedding is [3,5,6], expected [3,5,8]",
    );
  });

  it("is dumped as text that changes whenever the program does", () => {
    const dump = dumpProgram(trainingStep(config, options));
    expect(dump).toContain("attention query=blocks.0.attention.query");
    expect(dumpProgram(trainingStep(config, options))).toBe(dump);
    for (const other of [
      { ...options, beta2: 0.99 },
      { ...options, batch: 3 },
      { ...options, weightDecay: true },
    ]) {
      expect(dumpProgram(trainingStep(config, other))).not.toBe(dump);
    }
    expect(dumpProgram(trainingStep({ ...config, headDim: 2 }, options))).not.toBe(dump);
  });
});
