/**
 * What a tensor is, as far as scaling with width is concerned, and the names of
 * the hyperparameters a user states at the base width. Names are the ones in
 * the spec and in results.json: they are data, copied unchanged.
 */

/** Role of a parameter tensor: which rule of the abc table applies to it; `head_norm` is the gain that all heads of queries, or of keys, share. */
export type Role = "embedding" | "hidden" | "readout" | "norm" | "head_norm" | "bias";

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

/** The name of a hyperparameter that transfers and that every trial has. */
export type TransferableName = keyof typeof transferable;

/** Hyperparameters that transfer too, and that a trial has where its spec names them or its optimizer needs them. */
export const optional = {
  embedding_learning_rate: { default: 1, meaning: "factor on learning_rate for embeddings" },
  norm_learning_rate: { default: 1, meaning: "factor on learning_rate for the gains of norms" },
  muon_learning_rate: { default: 0.02, meaning: "Muon's learning rate for hidden matrices, at the schedule's peak" },
} as const;
/** The name of a hyperparameter that not every trial has. */
export type OptionalName = keyof typeof optional;

/** The name of a hyperparameter that is a learning rate by itself, and no factor on one. */
export type RateName = "learning_rate" | "muon_learning_rate";

/** Everything that transfers. */
export const transferring = { ...transferable, ...optional } as const;
/** Whether a hyperparameter of this name is copied to the target. */
export const doesTransfer = (name: string): name is TransferableName | OptionalName => Object.hasOwn(transferring, name);

/** Every hyperparameter's name. Weight decay does not transfer: it may be searched on proxies when marked, but its optimum is not copied to the target. */
export type HyperparameterName = TransferableName | OptionalName | "weight_decay";

/** A set of hyperparameters as stated at the base width: what a trial tries, what records hold, and what a target gets. */
export type Hyperparameters = Readonly<Partial<Record<HyperparameterName, number>>>;
/** A set with nothing left to the spec. */
export type CompleteHyperparameters = Readonly<Record<TransferableName | "weight_decay", number> & Partial<Record<OptionalName, number>>>;
