/**
 * The model: a decoder-only pre-norm transformer as coarse ops, every tensor declared
 * where it enters. Parameters, program and what coordinate checks read all come from
 * this one pass. Multipliers enter as (N,) scalars; knows no scale values.
 */
import type { Role } from "../parametrization/roles.ts";
import type { Branch, ForwardOp, Ref } from "../program/ops.ts";
import type { Shape } from "../program/shapes.ts";
import type { ModelConfig } from "./config.ts";

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

/** Names of the (N,) scalars of a model's program. */
export const multipliers = {
  input: "input_multiplier",
  attention: "attention_scale",
  output: "output_multiplier",
  residual: "residual_multiplier",
} as const;

/** A model that nothing trains yet. */
export interface Model {
  /** In forward order. */
  readonly parameters: readonly ParameterTensor[];
  /** Activations are named after the block they leave. */
  readonly forward: readonly ForwardOp[];
  /** The role of what makes each activation, for whom a rule is to be looked for. */
  readonly roles: ReadonlyMap<Ref, Role>;
  /** Weights of all products, a tensor counted as often as it is used. */
  readonly productWeights: number;
}

class Building {
  readonly parameters: ParameterTensor[] = [];
  readonly forward: ForwardOp[] = [];
  readonly roles = new Map<Ref, Role>();
  productWeights = 0;
  private readonly config: ModelConfig;

  constructor(config: ModelConfig) {
    this.config = config;
  }

  /** Declares a tensor; returns its name. */
  parameter(name: string, role: Role, shape: Shape, fanIn = 1, zeroInit = false): Ref {
    this.parameters.push({ name, role, shape, fanIn, zeroInit, inBlock: name.startsWith("blocks.") });
    return name;
  }
  /** Appends an op; what it makes is made by tensors of this role. Returns the name of what it makes. */
  emit(role: Role, op: ForwardOp): Ref {
    this.forward.push(op);
    const made = op.kind === "norm_linear" ? op.branches.map(({ out }) => out) : [op.out];
    for (const out of made) this.roles.set(out, role);
    return made[0];
  }

  /** A product with a weight and, in models with biases, a bias of its own. */
  linear(name: string, fanIn: number, fanOut: number, zeroInit = false): Pick<Branch, "weight" | "bias" | "out"> {
    this.productWeights += fanIn * fanOut;
    return {
      weight: this.parameter(`${name}.weight`, "hidden", [fanIn, fanOut], fanIn, zeroInit),
      ...(this.config.biases && { bias: this.parameter(`${name}.bias`, "bias", [fanOut]) }),
      out: name,
    };
  }
  /** A norm's kind and parameters. */
  norm(name: string): Pick<Extract<ForwardOp, { kind: "norm_linear" }>, "kind" | "norm" | "gain" | "shift"> {
    const { norm = "layer_norm", biases, width } = this.config;
    const shifted = biases && norm === "layer_norm";
    return {
      kind: "norm_linear",
      norm,
      gain: this.parameter(`${name}.gain`, "norm", [width]),
      ...(shifted && { shift: this.parameter(`${name}.bias`, "bias", [width]) }),
    };
  }
}

/** Widths inside a model's blocks: those of keys and values, and of feed-forward layers; whole but for the rounding of a product, as the spec checks. */
const innerWidths = ({ width, queriesPerKv = 1, mlpRatio }: ModelConfig): { readonly keyValue: number; readonly feedForward: number } => ({
  keyValue: width / queriesPerKv,
  feedForward: Math.round(mlpRatio * width),
});

function attention(model: Building, config: ModelConfig, name: string, x: Ref): Ref {
  const { width, headDim, zeroInit, qkNorm, ropeTheta: theta } = config;
  const { keyValue } = innerWidths(config);
  const scale = { multiplier: multipliers.attention };
  const norm = model.norm(`${name}.norm`);
  // A norm would undo a scale before it, so that the scale comes after it.
  const branches = [
    { ...model.linear(`${name}.query`, width, width, zeroInit.includes("query")), ...(!qkNorm && scale) },
    model.linear(`${name}.key`, width, keyValue),
    model.linear(`${name}.value`, width, keyValue),
  ];
  model.emit("hidden", { ...norm, x, branches });
  const heads = (part: "query" | "key"): Ref => {
    if (!qkNorm && theta === undefined) return `${name}.${part}`;
    const gain = qkNorm && { gain: model.parameter(`${name}.${part}_norm.gain`, "head_norm", [headDim]) };
    const turned = { ...gain, ...(qkNorm && part === "query" && scale), ...(theta !== undefined && { theta }) };
    return model.emit("hidden", { kind: "heads", x: `${name}.${part}`, headDim, ...turned, out: `${name}.${part}.heads` });
  };
  const [query, key] = [heads("query"), heads("key")];
  return model.emit("hidden", { kind: "attention", query, key, value: `${name}.value`, headDim, out: `${name}.mixed` });
}

function feedForward(model: Building, config: ModelConfig, name: string, x: Ref): Ref {
  const { width, mlp = "gelu" } = config;
  const inner = innerWidths(config).feedForward;
  const norm = model.norm(`${name}.norm`);
  const parts = mlp === "swiglu" ? (["gate", "up"] as const) : (["up"] as const);
  model.emit("hidden", { ...norm, x, branches: parts.map((part) => model.linear(`${name}.${part}`, width, inner)) });
  const [up, out] = [`${name}.up`, `${name}.active`];
  return model.emit("hidden", mlp === "swiglu" ? { kind: mlp, gate: `${name}.gate`, up, out } : { kind: mlp, x: up, out });
}

/** Everything about a model of one size that does not depend on how it is trained. */
export function modelOf(config: ModelConfig): Model {
  const { layers, width, context, vocabSize, zeroInit, ropeTheta, tiedEmbeddings, scaledResiduals } = config;
  const model = new Building(config);
  const residual = scaledResiduals && { multiplier: multipliers.residual };
  /** What a product adds to the residual stream. */
  const added = (name: string, fanIn: number, x: Ref, stream: Ref, out: Ref): Ref => {
    const made = model.emit("hidden", { kind: "linear", x, ...model.linear(name, fanIn, width), ...residual });
    return model.emit("hidden", { kind: "add", a: stream, b: made, out });
  };

  const table = model.parameter("token_embedding", "embedding", [vocabSize, width]);
  const readoutWeight = "readout.weight";
  if (tiedEmbeddings) model.emit("embedding", { kind: "transpose", x: table, out: readoutWeight });
  const positions = ropeTheta === undefined && { positions: model.parameter("position_embedding", "embedding", [context, width]) };
  let stream = model.emit("embedding", { kind: "embedding", table, ...positions, multiplier: multipliers.input, out: "embedded" });
  for (let index = 0; index < layers; index++) {
    const [heads, mlp] = [`blocks.${index}.attention`, `blocks.${index}.mlp`];
    stream = added(`${heads}.output`, width, attention(model, config, heads, stream), stream, heads);
    const active = feedForward(model, config, mlp, stream);
    stream = added(`${mlp}.down`, innerWidths(config).feedForward, active, stream, `blocks.${index}`);
  }
  const norm = model.norm("final_norm");
  if (!tiedEmbeddings) model.parameter(readoutWeight, "readout", [width, vocabSize], width, zeroInit.includes("readout"));
  model.productWeights += width * vocabSize;
  const readout = { weight: readoutWeight, multiplier: multipliers.output, out: "logits" };
  model.emit("readout", { ...norm, x: stream, branches: [readout] });
  model.emit("readout", { kind: "cross_entropy", logits: "logits", out: "loss" });
  return model;
}

/** Every parameter tensor of the model, in forward order. */
export const parametersOf = (config: ModelConfig): readonly ParameterTensor[] => modelOf(config).parameters;
