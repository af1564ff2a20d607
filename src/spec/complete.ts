/**
 * Fills the defaults that depend on other keys, so that nothing is left open: the
 * complete spec is what results.json holds and what the spec's hash is taken of.
 */
import { canonicalJson } from "../hash.ts";
import type { ZeroInit } from "../model/config.ts";
import { transferable, type HyperparameterName, type TransferableName } from "../parametrization/roles.ts";
import { ruleFindings, spaceSize, type PartialSpec } from "./rules.ts";
import { specSchema, type ParameterSpec, type ParsedSpec } from "./schema.ts";

export type Space = Readonly<Record<TransferableName, ParameterSpec> & { weight_decay?: ParameterSpec }>;

/** A spec with nothing left to fill, in the file's own snake_case. */
export interface CompleteSpec extends Omit<ParsedSpec, "model" | "width" | "search"> {
  readonly model: ParsedSpec["model"] & { readonly zero_init: readonly ZeroInit[] };
  readonly width: Readonly<Record<"base" | "proxy" | "target", number>>;
  readonly search: { readonly method: "random" | "grid"; readonly trials: number; readonly parameters: Space };
}

const defaultTrials = 16;

/** The space searched when a spec gives none: ranges around the optimum measured at base width 32. */
const defaultSpace: Readonly<Record<TransferableName, ParameterSpec>> = {
  learning_rate: { distribution: "log_uniform", min: 1e-3, max: 1e-1 },
  init_std: { distribution: "log_uniform", min: 0.25, max: 4 },
  embedding_std: { values: [0.25, 0.5, 1, 2] },
  input_multiplier: { value: 1 },
  output_multiplier: { distribution: "log_uniform", min: 1, max: 64 },
  attention_multiplier: { distribution: "log_uniform", min: 0.25, max: 4 },
};

const fixedDefaults = Object.fromEntries(Object.entries(transferable).map(([name, { default: value }]) => [name, { value }])) as Record<
  TransferableName,
  ParameterSpec
>;

export function completeSpec(spec: ParsedSpec): CompleteSpec {
  const { data, model, width, search } = spec;
  const given = Object.entries(search.parameters ?? {}).filter(
    (entry): entry is [HyperparameterName, ParameterSpec] => entry[1] !== undefined,
  );
  const parameters: Space = search.parameters === undefined ? defaultSpace : { ...fixedDefaults, ...Object.fromEntries(given) };
  const size = spaceSize(Object.values(parameters));
  const isText = typeof data.source === "string" || "files" in data.source;
  return {
    ...spec,
    data: isText ? { ...data, tokenizer: data.tokenizer ?? "bytes" } : data,
    model: { ...model, zero_init: model.zero_init ?? (spec.parametrization === "mup" ? ["readout", "query"] : []) },
    width: { base: width.base ?? width.proxy, proxy: width.proxy, target: width.target },
    search: {
      method: search.method,
      trials: search.method === "grid" ? size : (search.trials ?? Math.min(defaultTrials, size)),
      parameters,
    },
  };
}

/** Whether a value from a file is a spec that is sound and has nothing left to fill: one that completes to itself. */
export function isCompleteSpec(value: unknown): value is CompleteSpec {
  const parsed = specSchema.safeParse(value);
  if (!parsed.success || ruleFindings(parsed.data as PartialSpec).length > 0) return false;
  return canonicalJson(completeSpec(parsed.data)) === canonicalJson(value);
}
