/**
 * From hyperparameters stated at the base width to what one tensor gets at one
 * width and depth. The only place where a width or a depth is raised to a power.
 */
import { invariant } from "../errors.ts";
import { optional, type CompleteHyperparameters, type Role } from "./roles.ts";
import type { DepthExponents, Rules } from "./table.ts";

/** Everything about a run, apart from the hyperparameters, that scales depend on. */
export interface Scaling {
  /** The parametrization's row of the abc table. */
  readonly rules: Rules;
  readonly width: number;
  readonly baseWidth: number;
  readonly headDim: number;
  /** Adam's ε at the base width. */
  readonly epsilon: number;
  /** Whether Muon trains hidden matrices, with a learning rate of its own. */
  readonly muon?: true;
  /** Absent where nothing follows the depth. */
  readonly depth?: { readonly rules: DepthExponents; readonly layers: number; readonly baseLayers: number };
}

/** What the resolver must know of a tensor. */
export interface ScaledTensor {
  readonly role: Role;
  /** Inputs of a product at the base width; 1 for tensors that are no product's weights. */
  readonly baseFanIn: number;
  readonly zeroInit: boolean;
  /** Whether it belongs to a block, so that rules for depth apply. */
  readonly inBlock: boolean;
}

/** What one tensor gets at one width. */
export interface ResolvedScales {
  /** Factor on the tensor's forward value. */
  readonly multiplier: number;
  /** Std of the initial values; norm gains start at 1 and biases at 0, both with std 0. */
  readonly initStd: number;
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly epsilon: number;
}

/** The value each rule scales, at the base width. Gains and biases are not decayed, as in GPT-2. */
const baseValues: {
  readonly [R in Role]: (
    hyperparameters: CompleteHyperparameters,
    baseFanIn: number,
  ) => Pick<ResolvedScales, "multiplier" | "initStd" | "weightDecay">;
} = {
  embedding: (hyperparameters) => ({
    multiplier: hyperparameters.input_multiplier,
    initStd: hyperparameters.embedding_std,
    weightDecay: hyperparameters.weight_decay,
  }),
  hidden: (hyperparameters, baseFanIn) => ({
    multiplier: 1,
    initStd: hyperparameters.init_std / Math.sqrt(baseFanIn),
    weightDecay: hyperparameters.weight_decay,
  }),
  readout: (hyperparameters, baseFanIn) => ({
    multiplier: hyperparameters.output_multiplier,
    initStd: hyperparameters.init_std / Math.sqrt(baseFanIn),
    weightDecay: hyperparameters.weight_decay,
  }),
  norm: () => ({ multiplier: 1, initStd: 0, weightDecay: 0 }),
  head_norm: () => ({ multiplier: 1, initStd: 0, weightDecay: 0 }),
  bias: () => ({ multiplier: 1, initStd: 0, weightDecay: 0 }),
};

type Rate = (hyperparameters: CompleteHyperparameters, muon: boolean) => number;
const adam: Rate = ({ learning_rate: rate }) => rate;
const ofNorms: Rate = ({ learning_rate: rate, norm_learning_rate: factor = optional.norm_learning_rate.default }) => rate * factor;
/** The learning rate of each role at the base width. */
const baseRates: { readonly [R in Role]: Rate } = {
  embedding: ({ learning_rate: rate, embedding_learning_rate: factor = optional.embedding_learning_rate.default }) => rate * factor,
  hidden: (hyperparameters, muon) =>
    muon ? (hyperparameters.muon_learning_rate ?? optional.muon_learning_rate.default) : hyperparameters.learning_rate,
  readout: adam,
  norm: ofNorms,
  head_norm: ofNorms,
  bias: adam,
};

/** Scales of one tensor: base value × m^exponent for each quantity. */
export function resolve(hyperparameters: CompleteHyperparameters, scaling: Scaling, tensor: ScaledTensor): ResolvedScales {
  const widthMultiplier = scaling.width / scaling.baseWidth;
  const exponents = scaling.rules[tensor.role];
  invariant(exponents, "resolve", `no rules for ${tensor.role}`);
  const base = baseValues[tensor.role](hyperparameters, tensor.baseFanIn);
  const byDepth = (quantity: keyof DepthExponents): number => (tensor.inBlock ? depthFactor(scaling, quantity) : 1);
  return {
    multiplier: base.multiplier * widthMultiplier ** exponents.multiplier,
    initStd: tensor.zeroInit ? 0 : base.initStd * widthMultiplier ** exponents.initStd,
    learningRate:
      baseRates[tensor.role](hyperparameters, scaling.muon === true) * widthMultiplier ** exponents.learningRate * byDepth("learningRate"),
    weightDecay: base.weightDecay * widthMultiplier ** exponents.weightDecay,
    epsilon: scaling.epsilon * widthMultiplier ** exponents.epsilon * byDepth("epsilon"),
  };
}

function depthFactor({ depth }: Scaling, quantity: keyof DepthExponents): number {
  return depth === undefined ? 1 : (depth.layers / depth.baseLayers) ** depth.rules[quantity];
}

/** Factor on what a block's attention and MLP add to the residual stream. */
export function residualMultiplier(scaling: Scaling): number {
  return depthFactor(scaling, "residual");
}

/**
 * Factor on q·k: α·√(base head dim) / head dim. Head dim is the same at every width here
 * (heads grow instead), so this is α/√(head dim) in both parametrizations. Source: TP-V, definition 4.1.
 */
export function attentionScale(hyperparameters: CompleteHyperparameters, scaling: Scaling): number {
  return (hyperparameters.attention_multiplier * Math.sqrt(scaling.headDim)) / scaling.headDim;
}
