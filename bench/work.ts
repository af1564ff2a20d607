/**
 * The work every contestant does, stated once: GPTs whose weights and tokens come
 * from formulas that the peers' scripts repeat, AdamW at a constant rate.
 */
import type { BlockKinds, ModelConfig } from "../src/model/config.ts";
import { parametersOf } from "../src/model/transformer.ts";
import { partsOf, sizeOf, type Program } from "../src/program/program.ts";
import type { Batches, State } from "../src/engines/engine.ts";
import type { Ref } from "../src/program/ops.ts";

/** One model to train; contestants get it as JSON on their command line. */
export interface Work {
  readonly width: number;
  readonly layers: number;
  readonly head_dim: number;
  readonly context: number;
  readonly batch: number;
  readonly vocabulary: number;
  /** What blocks are made of: as in GPT-2, or RMS norms, rotary positions, SwiGLU, and two heads of queries for each of keys. */
  readonly block: "gpt2" | "llama";
  readonly optimizer: "adamw" | "muon";
  /** Steps per call, as in a sweep. */
  readonly call_steps: number;
  /** One process that uses every core, instead of one process for each core. */
  readonly whole_machine: boolean;
  /** Models trained at once; peers that cannot stack train one. */
  readonly stack: number;
  /** What peers compute on. */
  readonly device: "cpu" | "cuda";
}

const proxy = {
  layers: 2,
  head_dim: 16,
  context: 64,
  batch: 16,
  vocabulary: 96,
  block: "gpt2",
  optimizer: "adamw",
  call_steps: 16,
  whole_machine: false,
  stack: 1,
  device: "cpu",
} as const;

export const works: Readonly<Record<string, Work>> = {
  "width 32": { ...proxy, width: 32 },
  "width 64": { ...proxy, width: 64 },
  "width 128": { ...proxy, width: 128, call_steps: 8 },
  "width 256": { ...proxy, width: 256, call_steps: 4 },
  "width 64, llama-like": { ...proxy, width: 64, block: "llama" },
  "width 256, llama-like": { ...proxy, width: 256, block: "llama", call_steps: 4 },
  "width 128, context 256": { ...proxy, width: 128, context: 256, batch: 4, call_steps: 8 },
  "width 64, vocabulary 50,257": { ...proxy, width: 64, vocabulary: 50257, call_steps: 1 },
  "width 512, 4 layers, all cores": { ...proxy, width: 512, layers: 4, head_dim: 64, call_steps: 1, whole_machine: true },
};

const gpt2 = { block: "gpt2", optimizer: "adamw", whole_machine: true } as const;
/** What Muon is timed on, beside AdamW: few tokens a step, as in the works above, and as many as people train on. */
export const muonWork: Work = { ...proxy, width: 256, block: "llama", call_steps: 1 };

/** A proxy as sweeps on a GPU train it. */
export const gpuProxy = { ...gpt2, layers: 4, head_dim: 32, context: 128, batch: 16, vocabulary: 96, call_steps: 16 } as const;
/** A target: GPT-2 of 124 million parameters, with a readout of its own. */
export const gpuTarget = {
  ...gpt2,
  ...{ layers: 12, width: 768, head_dim: 64, context: 1024, batch: 8, vocabulary: 50257 },
  ...{ call_steps: 4, stack: 1 },
} as const;

export const optimizer = { learningRate: 1e-3, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, momentum: 0.95 } as const;
/** What the llama-like block has that GPT-2's has not. */
const llama: BlockKinds = { norm: "rms_norm", ropeTheta: 10_000, mlp: "swiglu", queriesPerKv: 2 };
/** Edge of the matrices whose products are the yardstick: they stay in a core's second-level cache. */
export const productEdge = 256;
/** Losses compared before anything is timed. */
export const checkedSteps = 5;

export function modelOf({ width, layers, head_dim: headDim, context, vocabulary: vocabSize, block }: Work): ModelConfig {
  const plain = { layers, width, headDim, context, mlpRatio: 4, vocabSize, biases: false, zeroInit: [] };
  return block === "llama" ? { ...plain, ...llama } : plain;
}

/** Weights by formula: sines, with gains around 1. */
export function startingState(config: ModelConfig, program: Program): State {
  const parameters = parametersOf(config).map(({ name, role, shape }, index) => {
    const weight = new Float32Array(sizeOf(shape));
    for (let i = 0; i < weight.length; i++) {
      const wave = Math.sin(0.37 * (index + 1) + 1.3 * i + 0.0021 * i * i);
      weight[i] = role === "norm" ? 1 + 0.1 * wave : 0.08 * wave;
    }
    return [name, partsOf(program, name, (part) => (part === "weight" ? weight : new Float32Array(weight.length)))] as const;
  });
  const scalarValue = (name: Ref): number =>
    name.startsWith("learning_rate")
      ? optimizer.learningRate
      : name.startsWith("epsilon")
        ? optimizer.epsilon
        : name === "attention_scale"
          ? 1 / Math.sqrt(config.headDim)
          : 1;
  return {
    step: 0,
    scalars: new Map(program.scalars.map((name) => [name, Float32Array.of(scalarValue(name))])),
    parameters: new Map(parameters),
  };
}

/** `count` batches by formula. */
export function batchesOf({ batch, context, vocabulary }: Work, count: number): Batches {
  const id = (i: number): number => (i * i * 3 + i * 5) % vocabulary;
  const windows = (shift: number): Int32Array => Int32Array.from({ length: count * batch * context }, (_, i) => id(i + shift));
  return { count, tokens: windows(0), targets: windows(1) };
}
