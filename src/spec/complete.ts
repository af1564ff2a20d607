/**
 * Fills the defaults that depend on other keys, so that nothing is left open: the
 * complete spec is what results.json holds and what the spec's hash is taken of.
 */
import { canonicalJson } from "../hash.ts";
import type { ZeroInit } from "../model/config.ts";
import { isStandard, optional, type HyperparameterName, type OptionalName, type TransferableName } from "../parametrization/roles.ts";
import { designers, type MethodName } from "../search/designers.ts";
import { spaceSize } from "../search/space.ts";
import { architectureOf, heldArchitecture, zeroInitsOf, type Architecture } from "./architecture.ts";
import { bounds } from "./bounds.ts";
import { fixedDefaults } from "./references.ts";
import type { PartialSpec } from "./partial.ts";
import { ruleFindings } from "./rules.ts";
import { specSchema, type HyperparameterDomain, type ParsedSpec, type Rules } from "./schema.ts";

/** A search space that names every hyperparameter; those that not every trial has only where the spec names them or its optimizer needs them. */
export type HyperparameterSpace = Readonly<
  Record<TransferableName, HyperparameterDomain> & Partial<Record<OptionalName | "weight_decay", HyperparameterDomain>>
>;

/** A spec with nothing left to fill, in the file's own snake_case. */
export interface CompleteSpec extends Omit<ParsedSpec, "rules" | "model" | "width" | "depth" | "search"> {
  /** Absent under the first rules, which had no name when runs were begun under them; rulesOf tells. */
  readonly rules?: Exclude<Rules, 1>;
  readonly model: Omit<ParsedSpec["model"], "preset"> &
    Pick<Architecture, "mlp_ratio" | "biases"> & { readonly zero_init: readonly ZeroInit[] };
  readonly width: Readonly<Record<"base" | "proxy" | "target", number>>;
  /** Absent where every model has model.layers blocks. */
  readonly depth?: Readonly<Record<"base" | "proxy" | "target", number>>;
  readonly search: {
    readonly method: MethodName;
    readonly trials: number;
    /** Trials suggested at a time; null for methods that do not learn. */
    readonly batch: number | null;
    readonly early_stopping: { readonly method: "halving" | "asha"; readonly reduction: number; readonly rungs: readonly number[] } | null;
    /** Without racing under the first rules. */
    readonly confirm: { readonly top: number; readonly seeds: number; readonly most_seeds?: number } | null;
    readonly parameters: HyperparameterSpace;
  };
}

const defaultTrials = 16;
const defaultBatch = 8;
/** Trials that are confirmed: an eighth of them, and at least so many. */
const leastConfirmed = 4;

/** Stds of embeddings that are tried where a spec does not say. */
const embeddingStds = [0.25, 0.5, 1, 2];

/** The space searched when a spec gives none: ranges around the optimum measured at base width 32. */
const defaultSpace: Readonly<Record<TransferableName, HyperparameterDomain>> = {
  learning_rate: { distribution: "log_uniform", min: 1e-3, max: 1e-1 },
  init_std: { distribution: "log_uniform", min: 0.25, max: 4 },
  embedding_std: { values: embeddingStds },
  input_multiplier: { value: 1 },
  output_multiplier: { distribution: "log_uniform", min: 1, max: 64 },
  attention_multiplier: { distribution: "log_uniform", min: 0.25, max: 4 },
};

/**
 * Where the readout is the embedding: weights as small as a readout's, and inputs multiplied back to what other embeddings are, so that
 * at the base width both begin as they do when they are apart. Logits of embeddings of std 1 would be √width times too large.
 */
export function tiedDefaults(base: number): {
  readonly space: Partial<Record<TransferableName, HyperparameterDomain>>;
  readonly fixed: Partial<Record<HyperparameterName, { readonly value: number }>>;
} {
  const short = (value: number): number => Number(value.toPrecision(4));
  const inputs = { input_multiplier: { value: short(Math.sqrt(base)) } };
  return {
    space: { ...inputs, embedding_std: { values: embeddingStds.map((std) => short(std / Math.sqrt(base))) } },
    fixed: { ...inputs, embedding_std: { value: short(1 / Math.sqrt(base)) } },
  };
}

/** What Muon's learning rate is searched in, and its momentum, where a spec does not say. */
const muonSpace: HyperparameterDomain = { distribution: "log_uniform", min: 2e-3, max: 2e-1 };
const muonMomentum = 0.95;
/** Fraction of the steps over which `wsd` falls, where a spec does not say. */
const wsdDecay = 0.2;

/** Fills what the schema's own defaults leave open. */
export function completeSpec(spec: ParsedSpec): CompleteSpec {
  const { rules, data, model, width, depth, search, ...rest } = spec;
  const { train } = rest;
  const { optimizer, schedule } = train;
  const isMuon = optimizer.name === "muon";
  const proxyDepth = depth?.proxy ?? model.layers;
  const given = Object.entries(search.parameters ?? {}).filter(
    (entry): entry is [HyperparameterName, HyperparameterDomain] => entry[1] !== undefined,
  );
  const muonRate = isMuon && {
    muon_learning_rate: search.parameters === undefined ? muonSpace : { value: optional.muon_learning_rate.default },
  };
  const tied = architectureOf(model).tied_embeddings ? tiedDefaults(width.base ?? width.proxy) : undefined;
  const parameters: HyperparameterSpace =
    search.parameters === undefined
      ? { ...defaultSpace, ...tied?.space, ...muonRate }
      : { ...fixedDefaults, ...tied?.fixed, ...muonRate, ...Object.fromEntries(given) };
  const size = spaceSize(parameters);
  const trials = search.method === "grid" ? size : (search.trials ?? Math.min(defaultTrials, size));
  const isText = typeof data.source === "string" || "files" in data.source;
  return {
    ...rest,
    ...(rules !== 1 && { rules }),
    data: isText ? { ...data, tokenizer: data.tokenizer ?? "bytes" } : data,
    model: completeModel(model, isStandard[spec.parametrization]),
    train: {
      ...train,
      optimizer: { ...optimizer, ...(isMuon && { momentum: optimizer.momentum ?? muonMomentum }) },
      schedule: { ...schedule, ...(schedule.name === "wsd" && { decay: schedule.decay ?? wsdDecay }) },
    },
    width: { base: width.base ?? width.proxy, proxy: width.proxy, target: width.target },
    ...(depth && { depth: { base: depth.base ?? proxyDepth, proxy: proxyDepth, target: depth.target ?? model.layers } }),
    search: {
      method: search.method,
      trials,
      batch: designers[search.method].learns ? (search.batch ?? defaultBatch) : null,
      early_stopping: completeStopping(search.early_stopping, spec.train.steps),
      confirm: search.confirm === false ? null : completeConfirmation(search.confirm, trials, rules),
      parameters,
    },
  };
}

function completeModel(
  { layers, head_dim, context, zero_init, ...written }: ParsedSpec["model"],
  standard: boolean,
): CompleteSpec["model"] {
  const fallback = standard ? [] : zeroInitsOf(architectureOf(written));
  return { layers, head_dim, context, ...heldArchitecture(written), zero_init: zero_init ?? [...fallback] };
}

/** Rungs in ascending order, each `reduction` times the one before; the last leaves at least a leap of its square root to the end. */
function completeStopping(stopping: ParsedSpec["search"]["early_stopping"], steps: number): CompleteSpec["search"]["early_stopping"] {
  if (stopping === undefined) return null;
  const { method, reduction, first = Math.max(1, Math.round(steps / 8)) } = stopping;
  const count = Math.max(0, Math.floor(Math.log(steps / first) / Math.log(reduction) + 0.5));
  const rungs = Array.from({ length: count }, (_, index) => Math.max(1, Math.round(first * reduction ** index)));
  return { method, reduction, rungs: [...new Set(rungs)].filter((rung) => rung < steps) };
}

function completeConfirmation(
  { top, seeds, most_seeds: most = Math.min(bounds.seeds, 2 * seeds) }: Exclude<ParsedSpec["search"]["confirm"], false>,
  trials: number,
  rules: Rules,
): CompleteSpec["search"]["confirm"] {
  return {
    top: Math.min(trials, top ?? Math.max(leastConfirmed, Math.ceil(trials / 8))),
    seeds,
    ...(rules !== 1 && { most_seeds: most }),
  };
}

/** Which rules a complete spec is under. */
export const rulesOf = ({ rules }: Pick<CompleteSpec, "rules">): Rules => rules ?? 1;

/** A spec as it would have been before there were any rules but the first. */
export function underFirstRules({ rules, search, ...rest }: CompleteSpec): CompleteSpec {
  const confirm = search.confirm && { top: search.confirm.top, seeds: search.confirm.seeds };
  return rules === undefined ? { ...rest, search } : { ...rest, search: { ...search, confirm } };
}

/** Whether a value from a file is a spec that is sound and has nothing left to fill: one that completes to itself. */
export function isCompleteSpec(value: unknown): value is CompleteSpec {
  const parsed = specSchema.safeParse(asWritten(value));
  if (!parsed.success || ruleFindings(parsed.data as PartialSpec).length > 0) return false;
  return canonicalJson(completeSpec(parsed.data)) === canonicalJson(value);
}

/** A complete spec as its author might have written it: what is null there is left out or false here, and the first rules are named. */
export function asWritten(value: unknown): unknown {
  if (typeof value !== "object" || value === null || !("search" in value)) return value;
  const { search, ...rest } = value as Pick<CompleteSpec, "search" | "rules">;
  if (typeof search !== "object" || search === null) return value;
  const { batch, early_stopping: stopping, confirm, ...others } = search;
  const first = Array.isArray(stopping?.rungs) ? { first: (stopping.rungs as readonly number[])[0] ?? Number.MAX_SAFE_INTEGER } : {};
  return {
    ...rest,
    rules: rest.rules ?? 1,
    search: {
      ...others,
      ...(batch !== null && { batch }),
      ...(stopping !== null && { early_stopping: { method: stopping?.method, reduction: stopping?.reduction, ...first } }),
      confirm: confirm ?? false,
    },
  };
}
