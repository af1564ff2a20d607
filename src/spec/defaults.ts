/** What is so where a spec does not say, and depends on its other keys: hyperparameters that nothing searches, and constants of an optimizer and a schedule. */
import { optional, transferable, type OptionalName, type TransferableName } from "../parametrization/roles.ts";
import { architectureOf } from "./architecture.ts";
import type { PartialSpec } from "./partial.ts";

/** Muon's momentum. */
export const muonMomentum = 0.95;
/** Fraction of the steps over which `wsd` falls. */
export const wsdDecay = 0.2;

/** The sections that defaults depend on. */
export type Deciding = Pick<PartialSpec, "model" | "width" | "train">;

/** Draws keep four significant digits, and so do these. */
const short = (value: number): number => Number(value.toPrecision(4));

/**
 * Where the readout is the embedding: how small its weights are, as small as a readout's, so that at the base width both begin as they do
 * when they are apart; inputs are multiplied back by as much. Logits of embeddings of std 1 would be √width times too large. Undefined elsewhere.
 */
function tiedScale({ model, width }: Deciding): number | undefined {
  const base = width?.base ?? width?.proxy;
  return base !== undefined && model !== undefined && architectureOf(model).tied_embeddings ? 1 / Math.sqrt(base) : undefined;
}

/** The stds of embeddings that are worth trying, and the factor on their sum that goes with them. */
export function embeddingDefaults(spec: Deciding, stds: readonly number[]): { readonly stds: readonly number[]; readonly input: number } {
  const scale = tiedScale(spec);
  return scale === undefined
    ? { stds, input: transferable.input_multiplier.default }
    : { stds: stds.map((std) => short(std * scale)), input: short(1 / scale) };
}

/** The value of each hyperparameter that a trial has though nothing names it. */
export function defaultsOf(spec: Deciding): Readonly<Record<TransferableName, number> & Partial<Record<OptionalName, number>>> {
  const { stds, input } = embeddingDefaults(spec, [transferable.embedding_std.default]);
  const plain = Object.fromEntries(Object.entries(transferable).map(([name, { default: value }]) => [name, value]));
  return {
    ...(plain as Record<TransferableName, number>),
    ...{ embedding_std: stds[0], input_multiplier: input },
    ...(spec.train?.optimizer?.name === "muon" && { muon_learning_rate: optional.muon_learning_rate.default }),
  };
}
