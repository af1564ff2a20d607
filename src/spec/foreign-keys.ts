/**
 * The words of other tools' files (W&B sweeps, Optuna, nanoGPT, Hydra, Hugging Face, Megatron) as data: what each key and each
 * value is here, or why there is none. Owns no rule: diagnose.ts and not-transferable.ts say when it is told, wandb.ts translates by it.
 */
import type { Path } from "./document.ts";

/** What a key of another tool is: a key of a spec, by its dotted path, with what differs; or nothing, for a reason. */
export type Meaning = { readonly here: string; readonly note?: string } | { readonly reason: string };

/** Keys of a spec, and what others call them. */
const names: readonly (readonly [here: string, names: readonly string[], note?: string])[] = [
  ["model.layers", ["layers", "n_layer", "n_layers", "num_layers", "num_hidden_layers", "depth_layers", "num_blocks"]],
  [
    "model.context",
    ["context", "block_size", "max_position_embeddings", "n_positions", "n_ctx", "ctx_len", "max_seq_len", "max_seq_length"],
  ],
  ["model.context", ["seq_length", "seq_len", "sequence_length", "context_length", "max_length"]],
  ["model.head_dim", ["n_head", "n_heads", "num_heads", "num_attention_heads"], "the size of one head stays, and heads = width / head_dim"],
  ["model.head_dim", ["head_dim", "d_head", "head_size", "kv_channels"]],
  ["model.mlp_ratio", ["ffn_ratio", "mlp_mult"]],
  ["model.mlp_ratio", ["intermediate_size", "ffn_hidden_size", "d_ff", "n_inner"], "feed-forward width ÷ width"],
  ["model.biases", ["bias", "use_bias"]],
  ["model.norm", ["norm_type", "normalization", "use_rmsnorm", "rmsnorm"], "layer_norm or rms_norm"],
  ["model.positions", ["position_embedding_type", "pos_emb", "use_rope", "rotary"], "learned or rope"],
  ["model.rope_theta", ["rotary_base", "rope_base"]],
  ["model.mlp", ["hidden_act", "activation_function", "activation", "swiglu"], "gelu, swiglu or relu2"],
  [
    "model.queries_per_kv",
    ["num_key_value_heads", "n_kv_heads", "n_kv_head", "kv_heads", "num_kv_heads", "num_query_groups", "gqa"],
    "query heads ÷ heads of keys and values",
  ],
  ["model.qk_norm", ["qk_layernorm", "use_qk_norm"]],
  ["model.tied_embeddings", ["tie_word_embeddings", "tied", "weight_tying", "tie_embeddings"]],
  ["train.clip", ["grad_clip", "max_grad_norm", "clip_grad", "clip_grad_norm", "clip_norm", "gradient_clip_val", "gradient_clipping"]],
  ["train.z_loss", ["z_loss_weight", "z_loss_coeff", "zloss"]],
  ["train.optimizer.momentum", ["muon_momentum"]],
  ["train.optimizer.name", ["optimizer_name", "optimizer_type"]],
  ["width.target", ["n_embd", "d_model", "hidden_size", "hidden_dim", "embed_dim", "n_embed"], "and width.proxy, which is swept"],
  [
    "train.steps",
    ["steps", "max_iters", "max_steps", "num_steps", "total_steps", "n_steps", "train_iters", "iterations", "num_train_steps"],
  ],
  ["train.steps", ["total_tokens", "max_tokens", "num_tokens", "train_tokens"], "tokens ÷ (train.batch × model.context)"],
  ["train.steps", ["num_train_epochs", "epochs", "num_epochs", "n_epochs", "max_epochs"], "steps, since batches are drawn at random"],
  ["train.batch", ["batch", "batch_size", "train_batch_size", "per_device_train_batch_size", "micro_batch_size", "global_batch_size"]],
  ["train.precision", ["dtype", "fp16", "bf16", "mixed_precision", "amp"], "float32 or mixed"],
  ["train.optimizer", ["optim", "optimizer_config", "adamw"], "the learning rate is in search.parameters"],
  ["train.optimizer.beta1", ["beta1", "adam_beta1", "b1"]],
  ["train.optimizer.beta2", ["beta2", "adam_beta2", "b2"]],
  ["train.optimizer.epsilon", ["epsilon", "eps", "adam_epsilon", "adam_eps"]],
  ["train.optimizer.weight_decay", ["wd", "weight_decay", "l2"]],
  ["train.schedule", ["scheduler", "lr_scheduler", "lr_schedule"]],
  ["train.schedule.name", ["lr_scheduler_type", "lr_decay_style"], "constant, linear, cosine or wsd"],
  ["train.schedule.decay", ["lr_wsd_decay_iters", "cooldown", "cooldown_frac", "warmdown_ratio"], "as a fraction of the steps, for wsd"],
  ["train.schedule.warmup", ["warmup_iters", "warmup_steps", "num_warmup_steps", "lr_warmup_iters"], "as a fraction of the steps"],
  ["train.schedule.warmup", ["warmup_ratio", "warmup_fraction"]],
  ["train.schedule.final", ["min_lr", "lr_min", "eta_min", "min_learning_rate"], "as a factor on the learning rate"],
  ["train.evaluate.every", ["eval_interval", "eval_steps", "eval_every"]],
  ["train.evaluate.batches", ["eval_iters"]],
  [
    "data.source",
    ["files", "tokens", "dataset", "dataset_name", "data_path", "train_file", "data_dir", "train_data"],
    "a corpus, {files: […]} or {tokens: …}",
  ],
  ["data.source.vocab_size", ["vocab_size", "padded_vocab_size"], "for token files; a tokenizer has its own"],
  ["data.tokenizer", ["tokenizer", "tokenizer_name", "tokenizer_type"]],
  ["search", ["sweep", "sweeper", "tune", "study"]],
  ["search.method", ["method", "sampler", "algorithm"]],
  ["search.parameters", ["parameters", "params", "search_space", "space", "hyperparameters"]],
  ["search.trials", ["trials", "run_cap", "n_trials", "num_trials", "num_samples", "max_trials"]],
  ["search.early_stopping", ["early_terminate", "pruner"]],
  ["search.parameters.learning_rate", ["lr", "learning_rate", "max_lr", "peak_lr", "base_lr", "lr_max", "suggest_float", "adam_lr"]],
  ["search.parameters.muon_learning_rate", ["muon_lr", "matrix_lr", "muon_learning_rate"]],
  ["search.parameters.embedding_learning_rate", ["embedding_lr", "embed_lr"], "as a factor on learning_rate"],
  ["search.parameters.norm_learning_rate", ["norm_lr", "scalar_lr"], "as a factor on learning_rate"],
  ["search.parameters.init_std", ["init_scale", "init_stddev", "initializer_range", "init_method_std"], "in units of 1/sqrt(fan_in)"],
  ["search.parameters.embedding_std", ["embed_std", "emb_std", "embedding_init_std", "embed_init_std"]],
  ["search.parameters.input_multiplier", ["input_mult", "mup_input_alpha", "input_alpha", "embed_multiplier", "embedding_multiplier"]],
  ["search.parameters.output_multiplier", ["output_mult", "mup_output_alpha", "output_alpha", "logit_multiplier", "logits_scaling"]],
  ["search.parameters.attention_multiplier", ["attn_mult", "attn_multiplier", "attn_scale", "attention_scale"]],
  ["seed", ["random_seed", "manual_seed", "rng_seed"]],
  ["name", ["project", "run_name", "wandb_run_name", "study_name", "experiment_name", "exp_name"]],
  ["parametrization", ["mup", "use_mup", "mup_enabled"], "mup unless given"],
  ["width.base", ["mup_base_width", "base_width", "d_model_base", "base_shapes", "mup_base_hidden_size"]],
];

/** Keys that are nothing here, and why. */
const nothing: readonly (readonly [reason: string, names: readonly string[]])[] = [
  ["training has one batch per step, of train.batch sequences", ["gradient_accumulation_steps", "grad_accum", "accumulate_grad_batches"]],
  ["the schedule ends with the last of train.steps", ["lr_decay_iters", "decay_lr", "lr_decay_steps"]],
  ["the loss is the cross-entropy, with train.z_loss beside it where that is given", ["label_smoothing", "label_smoothing_factor"]],
  ["what is minimized is always the validation loss", ["metric", "direction", "goal", "objective", "metric_for_best_model"]],
  ["nothing is called: the models are trained by this program itself", ["program", "command", "entrypoint", "_target_"]],
  ["a spec stands by itself and is not composed: write the values in", ["defaults", "hydra", "_self_", "_partial_", "_recursive_"]],
  [
    "nothing is logged elsewhere: see the run folder",
    ["wandb_log", "wandb_project", "entity", "wandb", "log_interval", "report_to", "logging_steps"],
  ],
  [
    "where it runs is said when it is run: see --engine and --jobs",
    ["device", "compile", "backend", "num_workers", "local_rank", "world_size"],
  ],
  ["the folder of a run is given by --out", ["out_dir", "output_dir", "save_dir"]],
  ["how often training is kept is given by --checkpoint", ["save_steps", "always_save_checkpoint", "save_interval", "init_from"]],
  ["every pair of a head turns", ["rotary_pct", "partial_rotary_factor"]],
  ["a norm's ε is the same at every width", ["rms_norm_eps", "layer_norm_eps", "norm_eps"]],
  [
    "Muon's momentum is Nesterov's, and its Newton–Schulz iteration has five steps",
    ["nesterov", "ns_steps", "newton_schulz_steps", "backend_steps"],
  ],
];

/** Keys within what is said of one hyperparameter. */
const domainNames: readonly (readonly [here: string, names: readonly string[], note?: string])[] = [
  ["min", ["low", "lower", "minimum", "start", "from"]],
  ["max", ["high", "upper", "maximum", "stop", "end", "to"]],
  ["values", ["choices", "options", "grid", "categories", "list"]],
  ["value", ["fixed", "constant", "default"]],
  ["distribution", ["type", "dist", "prior", "scale", "kind"]],
  ["distribution: log_uniform", ["log", "log_scale", "logarithmic", "loguniform", "log_uniform", "log_uniform_values"]],
  ["distribution: uniform", ["uniform", "float", "suggest_float", "linear"]],
  ["distribution: int_uniform", ["int", "suggest_int", "integer", "randint", "int_uniform"]],
];
const domainNothing: readonly (readonly [reason: string, names: readonly string[]])[] = [
  ["values are not rounded to steps: list them as `values: […]`", ["q", "step", "quantization", "base"]],
  ["there are no normal distributions: give min and max, such as two σ on either side of μ", ["mu", "mean", "sigma", "std", "stddev"]],
  ["values of a list are drawn equally often", ["probabilities", "weights"]],
];

/** Values of keys whose values are words, by the key's own name. */
const valueNames: Readonly<Record<string, readonly (readonly [here: string, names: readonly string[]])[]>> = {
  method: [
    ["gp", ["bayes", "bayesian", "bo", "gaussian_process", "gpsampler", "botorch", "ax", "smac"]],
    ["tpe", ["hyperopt", "tpesampler", "optuna", "bohb", "parzen"]],
    ["random", ["randomsampler", "random_search", "randomsearch"]],
    ["grid", ["gridsampler", "grid_search", "gridsearch"]],
    ["sobol", ["qmc", "qmcsampler", "quasirandom"]],
    ["halving", ["successive_halving", "sha"]],
    ["asha", ["hyperband", "async_hyperband", "hyperbandpruner", "ashascheduler"]],
  ],
  distribution: [
    [
      "log_uniform",
      ["log_uniform_values", "loguniform", "log", "q_log_uniform_values", "inv_log_uniform_values", "reciprocal", "qloguniform"],
    ],
    ["log_uniform", ["q_log_uniform", "inv_log_uniform", "log_normal", "lognormal", "q_log_normal"]],
    ["uniform", ["q_uniform", "quniform", "float", "linear", "normal", "q_normal"]],
    ["int_uniform", ["int", "randint", "integer", "suggest_int"]],
  ],
  name: [
    ["cosine", ["cosine_with_restarts", "cosineannealing", "cosineannealinglr", "cosine_annealing"]],
    ["linear", ["linear_decay", "linearlr", "polynomial", "polynomial_decay"]],
    ["constant", ["constant_with_warmup", "none"]],
    ["wsd", ["trapezoidal", "warmup_stable_decay"]],
    ["adamw", ["adam", "adamw_torch", "adamw_hf", "adamw_torch_fused", "torch.optim.adamw"]],
  ],
  norm: [
    ["rms_norm", ["rmsnorm", "rms"]],
    ["layer_norm", ["layernorm", "ln"]],
  ],
  positions: [
    ["rope", ["rotary"]],
    ["learned", ["absolute", "learned_absolute"]],
  ],
  mlp: [
    ["swiglu", ["silu", "swish", "glu"]],
    ["relu2", ["relu_squared", "squared_relu", "relu^2"]],
    ["gelu", ["gelu_new", "gelu_tanh", "gelu_pytorch_tanh"]],
  ],
  precision: [["mixed", ["bf16", "fp16", "bfloat16", "float16", "half", "amp", "bf16-mixed", "16-mixed"]]],
  tokenizer: [["gpt2", ["bpe", "tiktoken", "gpt-2"]]],
};

const lookup = (known: typeof names, none: typeof nothing): ReadonlyMap<string, Meaning> =>
  new Map<string, Meaning>([
    ...none.flatMap(([reason, keys]) => keys.map((key): [string, Meaning] => [key, { reason }])),
    ...known.flatMap(([here, keys, note]) => keys.map((key): [string, Meaning] => [key, { here, ...(note !== undefined && { note }) }])),
  ]);
const keys = lookup(names, nothing);
const domainKeys = lookup(domainNames, domainNothing);

/** A key as all tools spell it: Megatron has `num-layers`, Python numLayers, Hydra `optim.lr`. */
const spelled = (key: string): string =>
  key
    .replace(/^--/, "")
    .replace(/^.*\./, "")
    .replace(/([a-z])([A-Z])/g, "$1_$2")
    .replace(/-/g, "_")
    .toLowerCase();

/** What a key of another tool is here, wherever it stands outside of a hyperparameter's domain. */
export const meaningOf = (key: string): Meaning | undefined => keys.get(spelled(key));

/** What an unknown key at a path is here. */
export function meaningAt(path: Path): Meaning | undefined {
  const inDomain = path[0] === "search" && path[1] === "parameters" && path.length === 4;
  return inDomain ? domainKeys.get(spelled(String(path.at(-1)))) : meaningOf(String(path.at(-1)));
}

/** The word for a value of another tool under a key, among those that are allowed there. */
export const valueMeaning = (key: string, written: string, allowed: readonly string[]): string | undefined =>
  valueNames[key]?.find(([here, words]) => allowed.includes(here) && words.includes(written.toLowerCase()))?.[0];

/** What a value of another tool is here under a key; itself where it is no word that only others have. */
export const wordFor = (key: string, written: unknown): unknown =>
  (typeof written === "string" ? valueNames[key]?.find(([, words]) => words.includes(written.toLowerCase()))?.[0] : undefined) ?? written;

/** What a meaning says to somebody who wrote the key at `path`. */
export function meaningHint(meaning: Meaning, path: Path): string {
  if ("reason" in meaning) return `there is none here: ${meaning.reason}`;
  const parent = path.slice(0, -1).join(".");
  const sibling = parent !== "" && meaning.here.startsWith(`${parent}.`);
  return `did you mean ${sibling ? meaning.here.slice(parent.length + 1) : meaning.here}?${meaning.note === undefined ? "" : ` (${meaning.note})`}`;
}
