/**
 * The per-tensor values that follow from one set of hyperparameters at one width,
 * in the form users see (`mutransfer table`, transfer.json).
 */
import type { ModelConfig } from "../model/config.ts";
import { parametersOf } from "../model/transformer.ts";
import type { Scaling } from "../parametrization/resolve.ts";
import type { CompleteHyperparameters, Role } from "../parametrization/roles.ts";
import { forwardMultipliers, scalesOf } from "./initialize.ts";

/** What one tensor gets; blocks that get the same share a row. */
export interface TensorRow {
  readonly name: string;
  readonly role: Role;
  /** Without a trial axis; weights are [fan_in, fan_out]. */
  readonly shape: readonly number[];
  readonly multiplier: number;
  readonly init_std: number;
  readonly learning_rate: number;
  readonly weight_decay: number;
  readonly epsilon: number;
  /** √(fan_out / fan_in) for tensors that Muon trains: their orthogonal updates are multiplied by it besides the learning rate. */
  readonly update_scale?: number;
}

/** What every tensor of a model gets. */
export interface TensorTable {
  /** Factor on q·k. */
  readonly attention_scale: number;
  /** Factor on what blocks add to the residual stream; absent where there is none. */
  readonly residual_multiplier?: number;
  /** Factor on the logits, where the readout is the embedding; elsewhere it is the readout's multiplier. */
  readonly output_multiplier?: number;
  readonly tensors: readonly TensorRow[];
}

/** The table of a model at its size, for one set of hyperparameters. */
export function tensorTable(config: ModelConfig, scaling: Scaling, hyperparameters: CompleteHyperparameters): TensorTable {
  const tensors = parametersOf(config).map((parameter): TensorRow => {
    const { multiplier, initStd, learningRate, weightDecay, epsilon } = scalesOf(parameter, hyperparameters, scaling);
    return {
      name: parameter.name,
      role: parameter.role,
      shape: parameter.shape,
      multiplier,
      init_std: initStd,
      learning_rate: learningRate,
      weight_decay: weightDecay,
      epsilon,
      ...(scaling.muon && parameter.role === "hidden" && { update_scale: Math.sqrt(parameter.shape[1] / parameter.shape[0]) }),
    };
  });
  const forward = forwardMultipliers(hyperparameters, scaling);
  return {
    attention_scale: forward.attention_scale,
    ...(config.scaledResiduals && { residual_multiplier: forward.residual_multiplier }),
    ...(config.tiedEmbeddings && { output_multiplier: forward.output_multiplier }),
    tensors,
  };
}
