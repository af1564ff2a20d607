/**
 * A checked spec with its data: everything a command needs, deeply readonly, and
 * the camelCase views of it that the rest of the program reads.
 */
import type { Dataset, DataConfig } from "../data/dataset.ts";
import type { ModelConfig, Size } from "../model/config.ts";
import type { Scaling } from "../parametrization/resolve.ts";
import { doesTransfer, transferring, type CompleteHyperparameters, type Hyperparameters } from "../parametrization/roles.ts";
import { depthTable, rulesOf as widthRulesOf } from "../parametrization/table.ts";
import { hashOf } from "../hash.ts";
import { architectureOf, blockKindsOf } from "./architecture.ts";
import { rulesOf, tiedDefaults, underFirstRules, type CompleteSpec } from "./complete.ts";

/** A complete spec with its hash and its data. */
export interface Plan {
  readonly spec: CompleteSpec;
  readonly specHash: string;
  /** Whether the spec's author has chosen its rules; a plan of another follows the run that it goes on with. */
  readonly isRuled?: boolean;
  /** Where relative paths of the spec start. */
  readonly directory: string;
  readonly dataset: Dataset;
}

/** A plan as it goes on with a run of the spec `begun`: under the rules of that, unless its author has chosen others. */
export function followRules(plan: Plan, begun: CompleteSpec | undefined): Plan {
  if (begun === undefined || plan.isRuled || rulesOf(begun) !== 1 || rulesOf(plan.spec) === 1) return plan;
  const spec = underFirstRules(plan.spec);
  return { ...plan, spec, specHash: hashOf(spec) };
}

/** A spec's data section as the data folder reads it. */
export function dataConfig(data: CompleteSpec["data"]): DataConfig {
  const { source, tokenizer = "bytes", validation } = data;
  if (typeof source === "string" || "files" in source) return { source, tokenizer, validation };
  const { tokens, validation_tokens: held, vocab_size: vocabSize, dtype } = source;
  const listOf = (names: string | readonly string[]): readonly string[] => (typeof names === "string" ? [names] : names);
  const files = { tokens: listOf(tokens), ...(held !== undefined && { validationTokens: listOf(held) }) };
  return { source: { ...files, vocabSize, ...(dtype !== undefined && { dtype }) }, tokenizer, validation };
}

/** Sizes of the models at which hyperparameters are stated, of the proxies, and of the target. */
export function sizesOf({
  model,
  width,
  depth,
}: Pick<CompleteSpec, "model" | "width" | "depth">): Readonly<Record<"base" | "proxy" | "target", Size>> {
  const size = (of: "base" | "proxy" | "target"): Size => ({ width: width[of], layers: depth?.[of] ?? model.layers });
  return { base: size("base"), proxy: size("proxy"), target: size("target") };
}

/** A spec, and how many distinct tokens its data has. */
export interface Sized {
  readonly spec: CompleteSpec;
  readonly dataset: Pick<Dataset, "vocabSize">;
}

/** The model of one size. */
export function modelConfig({ spec, dataset }: Sized, { width, layers }: Size): ModelConfig {
  const { head_dim: headDim, context, mlp_ratio: mlpRatio, biases, zero_init: zeroInit } = spec.model;
  const blocks = blockKindsOf(spec.model);
  const scaledResiduals = depthTable[spec.parametrization] && { scaledResiduals: true as const };
  return { layers, width, headDim, context, mlpRatio, biases, zeroInit, vocabSize: dataset.vocabSize, ...blocks, ...scaledResiduals };
}

/** What scales depend on at one size. */
export function scaling(spec: CompleteSpec, { width, layers }: Size): Scaling {
  const depthRules = depthTable[spec.parametrization];
  const muon = spec.train.optimizer.name === "muon";
  return {
    rules: widthRulesOf(spec.parametrization, { ...blockKindsOf(spec.model), muon }),
    ...(muon && { muon }),
    width,
    baseWidth: spec.width.base,
    headDim: spec.model.head_dim,
    epsilon: spec.train.optimizer.epsilon,
    ...(depthRules && { depth: { rules: depthRules, layers, baseLayers: sizesOf(spec).base.layers } }),
  };
}

/** A trial's recorded hyperparameters with the ones the sweep does not vary. */
export function completeHyperparameters(spec: CompleteSpec, hyperparameters: Hyperparameters): CompleteHyperparameters {
  return { weight_decay: spec.train.optimizer.weight_decay, ...hyperparameters } as CompleteHyperparameters;
}

/** One set of hyperparameters that stands for the spec's space: values that are fixed, and defaults of those that are searched. */
export function statedHyperparameters({ search, model, width }: CompleteSpec): Omit<CompleteHyperparameters, "weight_decay"> {
  const tied = architectureOf(model).tied_embeddings ? tiedDefaults(width.base).fixed : {};
  const defaultOf = (name: keyof typeof transferring): number => tied[name]?.value ?? transferring[name].default;
  const stated = Object.entries(search.parameters).flatMap(([name, domain]) =>
    doesTransfer(name) ? [[name, "value" in domain ? domain.value : defaultOf(name)] as const] : [],
  );
  return Object.fromEntries(stated) as Omit<CompleteHyperparameters, "weight_decay">;
}
