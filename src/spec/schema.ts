/**
 * The shape of a spec file: every key, its type, its range, its default and one
 * sentence about it. The editor schema and the reference in docs/spec.md are generated
 * from here. Rules between keys are in rules.ts.
 */
import { z } from "zod";
import { bundledCorpora } from "../data/corpus.ts";
import { tokenTypes } from "../data/token-file.ts";
import { tokenizers } from "../data/tokenizer.ts";
import { precisions } from "../engines/engine.ts";
import { mlps, zeroInits } from "../model/config.ts";
import {
  parametrizations,
  transferring,
  type HyperparameterName,
  type OptionalName,
  type TransferableName,
} from "../parametrization/roles.ts";
import { norms } from "../program/ops.ts";
import { scheduleNames } from "../program/schedule.ts";
import { designers, methodNames } from "../search/designers.ts";
import { positionKinds, presetNames } from "./architecture.ts";
import { bounds } from "./bounds.ts";

const count = z.int().positive();
const layers = count.max(bounds.layers);
const width = count.max(bounds.width);
const steps = count.max(bounds.steps);
const trials = count.max(bounds.trials);
const seeds = count.max(bounds.seeds);
/** How many sizes of models curves compare at most. */
const maxSizes = 32;
const fraction = z.number().min(0).max(1);
const factor = z.number().min(0);

/** The rules that a run may be under; the last are those of runs that begin. */
const ruleVersions = [1, 2] as const;
/** Which rules a run is under. */
export type Rules = (typeof ruleVersions)[number];

/** The distributions that a range may have. */
const distributions = ["log_uniform", "uniform", "int_uniform"] as const;

const transfers = z
  .literal(false)
  .optional()
  .describe(
    "`false` allows a hyperparameter that theory says does not transfer: it is searched on the proxies and not copied to the target",
  );
/** The most values of a list: more than anybody tries of one hyperparameter. */
const maxValues = 10_000;
const condition = {
  when: z
    .record(z.string(), z.array(z.number()).min(1).max(maxValues))
    .optional()
    .describe("searches it only while each hyperparameter named has one of the values listed for it; needs `otherwise`"),
  otherwise: z.number().optional().describe("the value while `when` does not hold"),
};
const range = z
  .strictObject({
    distribution: z.enum(distributions).describe("how values are drawn between the bounds; bounds are real values, never exponents"),
    min: z.number().describe("lower bound, included"),
    max: z.number().describe("upper bound, included"),
    ...condition,
    transfers,
  })
  .describe("drawn from a range");
const values = z
  .strictObject({ values: z.array(z.number()).min(1).max(maxValues).describe("the values to choose from"), ...condition, transfers })
  .describe("one of a list");
const fixed = z.strictObject({ value: z.number().describe("the value"), transfers }).describe("fixed");
const names = [...(Object.keys(transferring) as (TransferableName | OptionalName)[]), "weight_decay"] as const;
const tied = z
  .strictObject({ same_as: z.enum(names).describe("the hyperparameter whose value it always takes"), transfers })
  .describe("tied to another one");
/** What a spec may say of one hyperparameter. */
const parameter = z.union([range, values, fixed, tied]);

const files = z
  .strictObject({ files: z.array(z.string()).min(1).describe("globs of UTF-8 text files, relative to the spec file") })
  .describe("your own text");
const tokenFiles = z.union([z.string(), z.array(z.string()).min(1)]);
const tokens = z
  .strictObject({
    tokens: tokenFiles.describe("token files by name or glob, or a list: raw ids as nanoGPT writes them, llm.c's format, or .npy"),
    validation_tokens: tokenFiles.optional().describe("token files held out; without them, `data.validation` of each of `tokens` is"),
    dtype: z
      .enum(tokenTypes)
      .optional()
      .describe("how raw ids are stored; uint16 unless given, and .npy and llm.c's files say it themselves"),
    vocab_size: count.max(bounds.vocabulary).describe("number of distinct tokens; every id is checked against it"),
  })
  .describe("your own token files");

const searched = (Object.entries(transferring) as [TransferableName | OptionalName, (typeof transferring)[TransferableName]][]).map(
  ([name, { default: value, meaning }]) => [name, parameter.optional().describe(`${meaning}; ${value} unless given`)] as const,
);
const parameters = z.strictObject({
  ...(Object.fromEntries(searched) as Record<TransferableName | OptionalName, z.ZodOptional<typeof parameter>>),
  weight_decay: parameter
    .optional()
    .describe("AdamW's weight decay at the base width; needs `transfers: false`, since its optimum does not transfer"),
} satisfies Record<HyperparameterName, z.ZodOptional<typeof parameter>>);

const earlyStopping = z
  .strictObject({
    method: z
      .enum(["halving", "asha"])
      .default("halving")
      .describe("`halving` waits for all trials of a rung before it chooses; `asha` chooses among those that have got there"),
    reduction: z.int().min(2).max(100).default(2).describe("one trial in so many goes on from a rung; the next is so many times as far"),
    first: steps.optional().describe("steps of the first rung; an eighth of train.steps unless given"),
  })
  .describe("stops what looks bad early");
const confirmation = z
  .strictObject({
    top: trials.optional().describe("trials to confirm; max(4, trials ÷ 8) unless given"),
    seeds: seeds.default(3).describe("fresh seeds for each: other initial weights, the same data order"),
    most_seeds: seeds
      .optional()
      .describe(
        "fresh seeds that trials get at most while their differences over the same seeds do not tell them from the best; twice `seeds` unless given, and as many as `seeds` adds none",
      ),
  })
  .describe("trains the best again on fresh seeds and lets their means decide");

/** The schema of each section of a spec. */
export const sections = {
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, "expected letters, digits, '.', '_' or '-'")
    .describe("name of the sweep; `runs/<name>` is the default output folder"),
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .default(1)
    .describe("decides initial weights, batches and draws"),
  rules: z
    .literal(ruleVersions)
    .default(2)
    .describe("which rules decide what diverged, what wins and how ties are broken; 1 are those of runs begun before there were any"),
  data: z
    .strictObject({
      source: z.union([z.enum(bundledCorpora), files, tokens]).describe("a bundled corpus, text files, or token files"),
      tokenizer: z.enum(tokenizers).optional().describe("how text becomes tokens; bytes unless given, and none for token files"),
      validation: z.number().gt(0).lt(1).default(0.1).describe("fraction of the tokens held out, taken from the end of each file"),
    })
    .describe("what to train on"),
  model: z
    .strictObject({
      layers: layers.default(2).describe("transformer blocks"),
      head_dim: width.default(16).describe("size of one attention head, the same at every width; heads = width / head_dim"),
      context: count.max(bounds.context).default(64).describe("tokens per sequence"),
      preset: z
        .enum(presetNames)
        .optional()
        .describe("blocks as in GPT-2, Llama 3 or Qwen3: the keys below but for zero_init; what is written beside it overrides"),
      norm: z.enum(norms).optional().describe("norms before attention, feed-forward layers and readout; layer_norm unless given"),
      positions: z
        .enum(positionKinds)
        .optional()
        .describe("a learned vector for each position, or turned queries and keys; learned unless given"),
      rope_theta: z.number().gt(1).max(1e12).optional().describe("base of the turns' wavelengths; 10000 unless given"),
      mlp: z.enum(mlps).optional().describe("activation of feed-forward layers: tanh GELU, SwiGLU, squared ReLU; gelu unless given"),
      mlp_ratio: z.number().positive().max(bounds.mlpRatio).optional().describe("feed-forward width ÷ width; 4 unless given"),
      queries_per_kv: count.max(bounds.width).optional().describe("query heads that share one head of keys and values; 1 unless given"),
      qk_norm: z.boolean().optional().describe("RMS norms of each head of queries and keys; false unless given"),
      tied_embeddings: z.boolean().optional().describe("whether the readout is the token embedding; false unless given"),
      biases: z.boolean().optional().describe("biases in linear layers and layer norms; false unless given"),
      zero_init: z
        .array(z.enum(zeroInits))
        .optional()
        .describe("tensors that start at zero; [readout, query] where that can be, unless given, and none under sp_fan_in and sp"),
    })
    .prefault({})
    .describe("the architecture, shared by proxies and target"),
  parametrization: z
    .enum(parametrizations)
    .default("mup")
    .describe(
      "how scales follow the size: the width (mup), width and depth (completep), initial weights the fan-in only (sp_fan_in), or not at all (sp)",
    ),
  width: z
    .strictObject({
      base: width.optional().describe("width at which hyperparameters are stated; the proxy's unless given"),
      proxy: width.describe("width of the models that are swept"),
      target: width.describe("width of the model that is trained with the winner's hyperparameters"),
    })
    .describe("model widths"),
  depth: z
    .strictObject({
      base: layers.optional().describe("depth at which hyperparameters are stated; the proxy's unless given"),
      proxy: layers.optional().describe("blocks of the models that are swept; model.layers unless given"),
      target: layers
        .optional()
        .describe("blocks of the model that is trained with the winner's hyperparameters; model.layers unless given"),
    })
    .optional()
    .describe("model depths where they differ, which needs `parametrization: completep`"),
  train: z
    .strictObject({
      steps: steps.default(600).describe("optimizer steps, for proxies and target alike"),
      batch: count.max(bounds.batch).default(16).describe("sequences per step"),
      precision: z
        .enum(precisions)
        .default("float32")
        .describe("`mixed` rounds the operands of matrix products where the engine gains by it; sums, state and all else stay float32"),
      optimizer: z
        .strictObject({
          name: z
            .enum(["adamw", "muon"])
            .default("adamw")
            .describe("`muon` trains hidden matrices by Muon with muon_learning_rate, and the rest by AdamW with learning_rate"),
          beta1: z.number().min(0).lt(1).default(0.9).describe("decay rate of the first moment"),
          beta2: z.number().min(0).lt(1).default(0.95).describe("decay rate of the second moment"),
          epsilon: z.number().min(1e-30).default(1e-8).describe("Adam's ε at the base width"),
          weight_decay: factor.default(0).describe("AdamW's weight decay at the base width, and Muon's"),
          momentum: z.number().min(0).lt(1).optional().describe("Muon's momentum; 0.95 unless given"),
        })
        .prefault({})
        .describe("the optimizer and its constants"),
      schedule: z
        .strictObject({
          name: z
            .enum(scheduleNames)
            .default("cosine")
            .describe("shape of the decay after warm-up; `wsd` stays at 1 and falls linearly at the end"),
          warmup: fraction.default(0.05).describe("fraction of the steps spent rising from 0"),
          final: fraction.default(0.1).describe("factor reached at the last step"),
          decay: fraction.optional().describe("fraction of the steps over which `wsd` falls; 0.2 unless given"),
        })
        .prefault({})
        .describe("factors on every learning rate, never absolute rates"),
      clip: z
        .number()
        .min(bounds.clip.least)
        .max(bounds.clip.most)
        .optional()
        .describe("the most that the norm of all gradients of a model may be: they are scaled down to it; not clipped unless given"),
      z_loss: z
        .number()
        .positive()
        .max(1)
        .optional()
        .describe(
          "factor on the mean of log² Σ exp(logits), which is trained on beside the cross-entropy that losses report; none unless given",
        ),
      evaluate: z
        .strictObject({
          every: steps.default(100).describe("steps between evaluations; there is always one at the end"),
          batches: count.max(bounds.evaluationTokens).default(8).describe("validation batches per evaluation, the same every time"),
        })
        .prefault({})
        .describe("when and how validation loss is measured"),
    })
    .prefault({})
    .describe("how every model is trained"),
  search: z
    .strictObject({
      method: z
        .enum(methodNames)
        .default("random")
        .describe(methodNames.map((name) => `${name}: ${designers[name].meaning}`).join("; ")),
      trials: trials.optional().describe("number of proxies to train; 16 unless given, and decided by the values under `grid`"),
      batch: trials.optional().describe("trials suggested at a time by a method that learns: it sees results in between; 8 unless given"),
      early_stopping: earlyStopping.optional(),
      confirm: z
        .union([z.literal(false), confirmation])
        .prefault({})
        .describe("`false` lets the single run of each trial decide"),
      parameters: parameters.optional().describe("the space; without it, a default space around the regime measured in docs/mup.md"),
    })
    .prefault({})
    .describe("which hyperparameters to try"),
  curves: z
    .strictObject({
      widths: z.array(width).min(2).max(maxSizes).optional().describe("widths to compare, the base width among them"),
      depths: z.array(layers).min(2).max(maxSizes).optional().describe("depths to compare instead, the base depth among them"),
      learning_rates: z
        .strictObject({
          min: z.number().positive().describe("lowest rate"),
          max: z.number().positive().describe("highest rate"),
          count: z.int().min(4).max(64).describe("how many, in equal factors from lowest to highest"),
        })
        .describe("the grid"),
      seeds: seeds.default(3).describe("initial weights for each rate and width"),
      parametrizations: z
        .array(z.enum(parametrizations))
        .min(1)
        .max(parametrizations.length)
        .optional()
        .describe("what to compare; mup and sp_fan_in over widths, completep and mup over depths unless given"),
    })
    .optional()
    .describe("what `mutransfer curves` trains; every other hyperparameter has its `value`, or its default"),
} as const;

/** The schema of a spec file. */
export const specSchema = z
  .strictObject(sections)
  .describe("A μTransfer sweep: train many proxies, pick the best, train the target with its hyperparameters");

/** A spec with the schema's own defaults filled; those that depend on other keys are filled in complete.ts. */
export type ParsedSpec = z.output<typeof specSchema>;
/** What a spec says of one hyperparameter: how it is searched, or what it is. */
export type HyperparameterDomain = z.output<typeof parameter>;

/** JSON schema (draft-07) of the spec file, for editors. */
export function jsonSchema(): object {
  return z.toJSONSchema(specSchema, { target: "draft-07", io: "input" });
}
