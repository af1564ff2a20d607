/**
 * The work every contestant does, stated once: a small GPT, its weights and tokens
 * from formulas that the peers' scripts repeat, AdamW at a constant rate.
 */
import { parametersOf, type ModelConfig } from "../src/model/config.ts";
import { sizeOf } from "../src/program/program.ts";
import type { Batches, State } from "../src/engines/engine.ts";
import type { Ref } from "../src/program/ops.ts";

export const widths = [32, 64, 128, 256] as const;
export const batch = 16;
export const optimizer = { learningRate: 1e-3, beta1: 0.9, beta2: 0.95, epsilon: 1e-8 } as const;
/** Steps per call, as in a sweep. */
export const callSteps = 16;
/** Losses compared before anything is timed. */
export const checkedSteps = 5;

export function modelOf(width: number): ModelConfig {
  return { layers: 2, width, headDim: 16, context: 64, mlpRatio: 4, vocabSize: 96, biases: false, zeroInit: [] };
}

/** Weights by formula: sines, with gains around 1. */
export function startingState(config: ModelConfig, scalars: readonly Ref[]): State {
  const parameters = parametersOf(config).map(({ name, role, shape }, index) => {
    const weight = Float32Array.from({ length: sizeOf(shape) }, (_, i) => {
      const wave = Math.sin(0.37 * (index + 1) + 1.3 * i + 0.0021 * i * i);
      return role === "norm" ? 1 + 0.1 * wave : 0.08 * wave;
    });
    return [name, { weight, firstMoment: new Float32Array(weight.length), secondMoment: new Float32Array(weight.length) }] as const;
  });
  const scalarValue = (name: Ref): number =>
    name.startsWith("learning_rate")
      ? optimizer.learningRate
      : name.startsWith("epsilon")
        ? optimizer.epsilon
        : name === "attention_scale"
          ? 1 / Math.sqrt(config.headDim)
          : 1;
  return { step: 0, scalars: new Map(scalars.map((name) => [name, Float32Array.of(scalarValue(name))])), parameters: new Map(parameters) };
}

/** `count` batches by formula. */
export function batchesOf({ context, vocabSize }: ModelConfig, count: number): Batches {
  const id = (i: number): number => (i * i * 3 + i * 5) % vocabSize;
  const windows = (shift: number): Int32Array => Int32Array.from({ length: count * batch * context }, (_, i) => id(i + shift));
  return { count, tokens: windows(0), targets: windows(1) };
}
