/**
 * What a tensor is, as far as scaling with width is concerned, and the names of
 * the hyperparameters a user states at the base width. Names are the ones in
 * the spec and in results.json: they are data, copied unchanged.
 */

/** Role of a parameter tensor: which rule of the abc table applies to it. */
export type Role = "embedding" | "hidden" | "readout" | "norm" | "bias";

/** The parametrizations by the names that specs have: μP, CompleteP, and standard with initial weights that follow fan-in or do not. */
export const parametrizations = ["mup", "completep", "sp_fan_in", "sp"] as const;
/** A parametrization by its name. */
export type Parametrization = (typeof parametrizations)[number];

/** Whether it is what others are compared with: nothing but initial weights follows the width, and no optimum is expected to stay. */
export const isStandard: { readonly [P in Parametrization]: boolean } = { mup: false, completep: false, sp_fan_in: true, sp: true };

/** Hyperparameters that transfer across width under μP, with their defaults. */
export const transferable = {
  learning_rate: { default: 0.01, meaning: "Adam's learning rate at the base width, at the schedule's peak" },
  init_std: { default: 1, meaning: "std of hidden weights, in units of 1/sqrt(fan_in) at the base width" },
  embedding_std: { default: 1, meaning: "std of token and position embeddings" },
  input_multiplier: { default: 1, meaning: "factor on the embeddings' sum" },
  output_multiplier: { default: 1, meaning: "factor on the logits (divided by the width multiplier under μP)" },
  attention_multiplier: { default: 1, meaning: "factor on the attention logits, relative to 1/sqrt(head_dim)" },
} as const;

/** The name of a hyperparameter that transfers. */
export type TransferableName = keyof typeof transferable;

/** Every hyperparameter's name. Weight decay does not transfer: it may be searched on proxies when marked, but its optimum is not copied to the target. */
export type HyperparameterName = TransferableName | "weight_decay";

/**
 * A set of hyperparameters as stated at the base width: what a trial tries, what records hold, and what a target gets.
 * `Required<Hyperparameters>` is one with nothing left to the spec.
 */
export type Hyperparameters = Readonly<Partial<Record<HyperparameterName, number>>>;
