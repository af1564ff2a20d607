/**
 * The forward pass: a decoder-only pre-norm transformer with learned positions,
 * causal attention, tanh GELU and an untied readout, as coarse ops. Multipliers
 * enter as (N,) scalars, so training, evaluation and inspection cannot miss one.
 */
import type { Role } from "../parametrization/roles.ts";
import type { Branch, ForwardOp, Ref } from "../program/ops.ts";
import { buildProgram, type Program } from "../program/program.ts";
import { parametersOf, type ModelConfig, type ParameterTensor } from "./config.ts";

/** Names of the (N,) scalars of a model's program. */
export const multipliers = {
  input: "input_multiplier",
  attention: "attention_scale",
  output: "output_multiplier",
  residual: "residual_multiplier",
} as const;
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

/** What a training step depends on besides the model. */
export interface StepOptions {
  readonly trials: number;
  readonly batch: number;
  readonly beta1: number;
  readonly beta2: number;
  /** Whether any trial decays its weights; without it the update has no decay term. */
  readonly weightDecay: boolean;
}

/** The forward ops of one model; activations are named after the block they leave. */
export function forwardOps(config: ModelConfig): readonly ForwardOp[] {
  const bias = (name: string): { bias?: Ref } => (config.biases ? { bias: `${name}.bias` } : {});
  const norm = (name: string): { gain: Ref; shift?: Ref } => ({ gain: `${name}.gain`, ...(config.biases && { shift: `${name}.bias` }) });
  const branch = (name: string, multiplier?: Ref): Branch => ({
    weight: `${name}.weight`,
    ...bias(name),
    ...(multiplier && { multiplier }),
    out: name,
  });
  const residual = config.scaledResiduals && { multiplier: multipliers.residual };
  const linear = (name: string, x: Ref): ForwardOp => ({
    kind: "linear",
    x,
    weight: `${name}.weight`,
    ...bias(name),
    ...residual,
    out: name,
  });
  const block = (index: number, x: Ref): ForwardOp[] => {
    const attention = `blocks.${index}.attention`;
    const mlp = `blocks.${index}.mlp`;
    const [query, key, value, output] = ["query", "key", "value", "output"].map((part) => `${attention}.${part}`) as [Ref, Ref, Ref, Ref];
    return [
      {
        kind: "norm_linear",
        x,
        ...norm(`${attention}.norm`),
        branches: [branch(query, multipliers.attention), branch(key), branch(value)],
      },
      { kind: "attention", query, key, value, heads: config.width / config.headDim, out: `${attention}.mixed` },
      linear(output, `${attention}.mixed`),
      { kind: "add", a: x, b: output, out: attention },
      { kind: "norm_linear", x: attention, ...norm(`${mlp}.norm`), branches: [branch(`${mlp}.up`)] },
      { kind: "gelu", x: `${mlp}.up`, out: `${mlp}.active` },
      linear(`${mlp}.down`, `${mlp}.active`),
      { kind: "add", a: attention, b: `${mlp}.down`, out: `blocks.${index}` },
    ];
  };
  const lastBlock = config.layers === 0 ? "embedded" : `blocks.${config.layers - 1}`;
  return [
    { kind: "embedding", table: "token_embedding", positions: "position_embedding", multiplier: multipliers.input, out: "embedded" },
    ...Array.from({ length: config.layers }, (_, index) => block(index, index === 0 ? "embedded" : `blocks.${index - 1}`)).flat(),
    {
      kind: "norm_linear",
      x: lastBlock,
      ...norm("final_norm"),
      branches: [{ weight: "readout.weight", multiplier: multipliers.output, out: "logits" }],
    },
    { kind: "cross_entropy", logits: "logits", out: "loss" },
  ];
}

/** The training step of N trials of one model. */
export function trainingStep(config: ModelConfig, options: StepOptions): Program {
  const parameters = parametersOf(config);
  const byName = new Map(parameters.map((parameter) => [parameter.name, parameter]));
  const decayed: readonly Role[] = ["embedding", "hidden", "readout"];
  return buildProgram(
    { trials: options.trials, batch: options.batch, context: config.context },
    new Map(parameters.map(({ name, shape }) => [name, shape])),
    forwardOps(config),
    {
      beta1: options.beta1,
      beta2: options.beta2,
      scalarsOf: (name) => {
        const parameter = byName.get(name) as ParameterTensor;
        const scalarGroup = scalarGroupOf(config, parameter);
        const decay = options.weightDecay && decayed.includes(parameter.role) ? { decay: decayOf(scalarGroup) } : {};
        return { learningRate: learningRateOf(scalarGroup), epsilon: epsilonOf(scalarGroup), ...decay };
      },
    },
  );
}
