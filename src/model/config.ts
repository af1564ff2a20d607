/**
 * The architecture of one model and what follows from it by counting: its
 * parameter tensors with their roles, and FLOPs per step. Knows no scale values.
 */
import type { Role } from "../parametrization/roles.ts";
import { sizeOf } from "../program/program.ts";
import type { Shape } from "../program/shapes.ts";

/** Tensors that may start at zero, as TP-V appendix D.2 advises under μP. */
export const zeroInits = ["readout", "query"] as const;
/** A tensor that may start at zero, by the name that specs have for it. */
export type ZeroInit = (typeof zeroInits)[number];

/** How wide and how deep a model is: what differs between a proxy and its target. */
export interface Size {
  readonly width: number;
  /** Number of blocks: the depth. */
  readonly layers: number;
}

/** The architecture of a model of one size. */
export interface ModelConfig extends Size {
  readonly headDim: number;
  readonly context: number;
  /** Feed-forward width ÷ width. */
  readonly mlpRatio: number;
  readonly vocabSize: number;
  readonly biases: boolean;
  readonly zeroInit: readonly ZeroInit[];
  /** Whether what blocks add to the residual stream has a multiplier, and their tensors scalars of their own. */
  readonly scaledResiduals?: true;
}

/** One tensor that is trained. */
export interface ParameterTensor {
  readonly name: string;
  readonly role: Role;
  /** Shape without the trial axis; products are x·W, so weights are [fan_in, fan_out]. */
  readonly shape: Shape;
  /** Inputs of the product; 1 for embeddings, gains and biases. */
  readonly fanIn: number;
  readonly zeroInit: boolean;
  /** Whether it belongs to a block. */
  readonly inBlock: boolean;
}

/** Feed-forward width: whole but for the rounding of a product, as the spec checks. */
function feedForward(config: ModelConfig): number {
  return Math.round(config.mlpRatio * config.width);
}

const inBlock = (name: string): boolean => name.startsWith("blocks.");

/** Every parameter tensor of the model, in forward order. */
export function parametersOf(config: ModelConfig): readonly ParameterTensor[] {
  const { layers, width, context, vocabSize, biases, zeroInit } = config;
  const inner = feedForward(config);
  const table = (name: string, rows: number): ParameterTensor => ({
    name,
    role: "embedding",
    shape: [rows, width],
    fanIn: 1,
    zeroInit: false,
    inBlock: inBlock(name),
  });
  const vector = (name: string, role: "norm" | "bias", size: number): ParameterTensor => ({
    name,
    role,
    shape: [size],
    fanIn: 1,
    zeroInit: false,
    inBlock: inBlock(name),
  });
  const weight = (name: string, role: "hidden" | "readout", shape: readonly [number, number], zero = false): ParameterTensor => ({
    name: `${name}.weight`,
    role,
    shape,
    fanIn: shape[0],
    zeroInit: zero,
    inBlock: inBlock(name),
  });
  const norm = (name: string): ParameterTensor[] => [
    vector(`${name}.gain`, "norm", width),
    ...(biases ? [vector(`${name}.bias`, "bias", width)] : []),
  ];
  const linear = (name: string, shape: readonly [number, number], zero = false): ParameterTensor[] => [
    weight(name, "hidden", shape, zero),
    ...(biases ? [vector(`${name}.bias`, "bias", shape[1])] : []),
  ];
  const block = (index: number): ParameterTensor[] => {
    const attention = `blocks.${index}.attention`;
    const mlp = `blocks.${index}.mlp`;
    return [
      ...norm(`${attention}.norm`),
      ...linear(`${attention}.query`, [width, width], zeroInit.includes("query")),
      ...linear(`${attention}.key`, [width, width]),
      ...linear(`${attention}.value`, [width, width]),
      ...linear(`${attention}.output`, [width, width]),
      ...norm(`${mlp}.norm`),
      ...linear(`${mlp}.up`, [width, inner]),
      ...linear(`${mlp}.down`, [inner, width]),
    ];
  };
  return [
    table("token_embedding", vocabSize),
    table("position_embedding", context),
    ...Array.from({ length: layers }, (_, index) => block(index)).flat(),
    ...norm("final_norm"),
    weight("readout", "readout", [width, vocabSize], zeroInit.includes("readout")),
  ];
}

/** Number of trained parameters. */
export function parameterCount(config: ModelConfig): number {
  return parametersOf(config).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

/**
 * Training FLOPs of one step: 6 · (weights of all products) · tokens + 12 · L · T² · C per sequence for attention's
 * two products, unmasked. Embeddings, norms and the optimizer are not counted.
 * Source: Kaplan et al. 2020, section 2.1, with the attention term of Chowdhery et al. 2022, appendix B.
 */
export function flopsPerStep(config: ModelConfig, batch: number): number {
  const products = parametersOf(config).filter(({ fanIn }) => fanIn > 1);
  const weights = products.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  return 6 * weights * batch * config.context + 12 * config.layers * batch * config.context ** 2 * config.width;
}
