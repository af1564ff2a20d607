/**
 * A model's training step: which update each of its parameters has, and the names of
 * the (N,) scalars that updates read. Values come from the parametrization.
 */
import type { Role } from "../parametrization/roles.ts";
import type { Ref, UpdateKind, UpdateOp } from "../program/ops.ts";
import { buildProgram, slots, type Program } from "../program/program.ts";
import type { ModelConfig } from "./config.ts";
import { modelOf, type ParameterTensor } from "./transformer.ts";

/** Parameters that share their scalars: those of a role, or of a role inside blocks where depth has rules. */
export type ScalarGroup = Role | `block_${Role}`;
/** The scalar group of a parameter. */
export const scalarGroupOf = ({ scaledResiduals }: ModelConfig, { role, inBlock }: ParameterTensor): ScalarGroup =>
  scaledResiduals && inBlock ? `block_${role}` : role;
/** Names of the (N,) scalars of a scalar group: learning rate, learning rate × weight decay, and Adam's ε. */
export const learningRateOf = (scalarGroup: ScalarGroup): Ref => `learning_rate.${scalarGroup}`;
/** The scalar that is the weight decay of a group of parameters. */
export const decayOf = (scalarGroup: ScalarGroup): Ref => `decay.${scalarGroup}`;
/** The scalar that is Adam's ε for a group of parameters. */
export const epsilonOf = (scalarGroup: ScalarGroup): Ref => `epsilon.${scalarGroup}`;

/** The optimizer and what it does to gradients, the same for every trial; what is absent is not done. */
export interface OptimizerConfig {
  readonly beta1: number;
  readonly beta2: number;
  /** Momentum of Muon, which trains hidden matrices where it is given; AdamW trains the rest. */
  readonly muonMomentum?: number;
  /** The most that the norm of all gradients of a trial may be. */
  readonly clip?: number;
  readonly zLoss?: number;
}
/** What a training step depends on besides the model. */
export interface StepOptions extends OptimizerConfig {
  readonly trials: number;
  readonly batch: number;
  /** Whether any trial decays its weights; without it the update has no decay term. */
  readonly weightDecay: boolean;
}

const isDecayed: { readonly [R in Role]: boolean } = {
  ...{ embedding: true, hidden: true, readout: true },
  ...{ norm: false, head_norm: false, bias: false },
};

/** The optimizer that trains parameters of a role. */
const updateKindOf = ({ muonMomentum }: Pick<OptimizerConfig, "muonMomentum">, role: Role): UpdateKind =>
  muonMomentum !== undefined && role === "hidden" ? "muon" : "adamw";

/** Floats that a model's state has for each trial: weights and what updates keep of them. */
export const stateFloats = (config: ModelConfig, optimizer: Pick<OptimizerConfig, "muonMomentum">): number =>
  modelOf(config).parameters.reduce(
    (sum, { role, shape }) => sum + shape.reduce((a, b) => a * b, 1 + slots[updateKindOf(optimizer, role)].length),
    0,
  );

/** The training step of N trials of one model. */
export function trainingStep(config: ModelConfig, options: StepOptions): Program {
  const { trials, batch, beta1, beta2, muonMomentum: momentum, weightDecay, clip, zLoss } = options;
  const { parameters, forward } = modelOf(config);
  const byName = new Map(parameters.map((parameter) => [parameter.name, parameter]));
  const updateOf = (name: Ref, gradient: Ref, scale?: Ref): UpdateOp => {
    const parameter = byName.get(name) as ParameterTensor;
    const scalarGroup = scalarGroupOf(config, parameter);
    const given = {
      ...{ parameter: name, gradient, learningRate: learningRateOf(scalarGroup) },
      ...(scale !== undefined && { scale }),
      ...(weightDecay && isDecayed[parameter.role] && { decay: decayOf(scalarGroup) }),
    };
    return momentum !== undefined && updateKindOf(options, parameter.role) === "muon"
      ? { kind: "muon", ...given, momentum }
      : { kind: "adamw", ...given, epsilon: epsilonOf(scalarGroup), beta1, beta2 };
  };
  return buildProgram(
    { trials, batch, context: config.context },
    new Map(parameters.map(({ name, shape }) => [name, shape])),
    zLoss === undefined ? forward : forward.map((op) => (op.kind === "cross_entropy" ? { ...op, zLoss } : op)),
    { updateOf, clip },
  );
}
