/**
 * What a user should know before trusting a sweep: settings known to mislead, and
 * winners that are no optimum. Each note says what to do about it.
 */
import { lossOf, valueOf } from "../numbers.ts";
import type { HyperparameterName } from "../parametrization/roles.ts";
import type { Setup } from "../placement/arrangements.ts";
import type { ResultsHead } from "../run/results.ts";
import type { CompleteSpec } from "../spec/complete.ts";
import type { Generalization } from "../sweep/generalization.ts";
import type { Style } from "./style.ts";

/** The smallest sizes at which the authors of μTransfer trust a proxy. Source: TP-V, section 6 and appendix. */
const floors = { width: 256, depth: 4, batch: 32, context: 128, steps: 5000 } as const;

/** Below this base width the readout learns too slowly without an output multiplier; measured, see the README. */
const smallBaseWidth = 256;

/** What to know of a spec before its sweep is trusted. */
export function specNotes(spec: CompleteSpec): readonly string[] {
  const output = spec.search.parameters.output_multiplier;
  const fixedAtOne = "value" in output && output.value === 1;
  return spec.parametrization !== "sp" && spec.width.base < smallBaseWidth && fixedAtOne
    ? [
        `output_multiplier is fixed at 1 with base width ${spec.width.base}: at small base widths the readout then learns too slowly and μP looks worse than it is; search it over 1–64`,
      ]
    : [];
}

/** What this machine or engine cannot do of what was asked for. */
export function setupNotes({ train }: CompleteSpec, { products, engine, device }: Setup): readonly string[] {
  const notMixed = train.precision === "mixed" && products === "float32";
  return [
    ...(device.remark === undefined ? [] : [`${engine} ${device.remark}`]),
    ...(notMixed ? [`precision mixed: ${engine} has no faster products on ${device.name}, so everything is float32`] : []),
  ];
}

/** More passes over a text than this teach a model that text. */
const fewPasses = 2;

/** How often a training sees its text, when that is more often than is told of nowhere. */
export function passNotes(passes: number | undefined): readonly string[] {
  return passes === undefined || passes <= fewPasses
    ? []
    : [
        `each training reads its text ${passes < 10 ? passes.toFixed(1) : Math.round(passes)} times over: beyond twice, a model learns it by heart; give more text, or fewer steps`,
      ];
}

/** What the losses of a sweep's winner, or of another model, owe to the data. */
export function dataNotes({ passes, parting }: Generalization, whose = "the winner"): readonly string[] {
  if (parting === undefined) return passNotes(passes);
  const { trainingLoss, validationLoss, errorNats } = parting;
  const sure = errorNats === null ? "" : ` ± ${lossOf(errorNats)} over its seeds`;
  const why =
    passes !== undefined && passes <= fewPasses
      ? "the held-out text is unlike the one that is trained on"
      : "it learns its text by heart, or the held-out text is unlike that";
  return [
    ...passNotes(passes),
    `${whose}'s training loss ${lossOf(trainingLoss)} and validation loss ${lossOf(validationLoss)} part by ${lossOf(validationLoss - trainingLoss)}${sure}: ${why}, and what is best for one is not for the other`,
  ];
}

/** What to know before trusting a sweep's winner. */
export function resultNotes({ best, spec }: Pick<ResultsHead, "best" | "spec">): readonly string[] {
  if (best === null) return [];
  const { width, depth, model, train, parametrization } = spec;
  const sizes = { width: width.proxy, depth: depth?.proxy ?? model.layers, batch: train.batch, context: model.context, steps: train.steps };
  const below = (Object.keys(floors) as (keyof typeof floors)[])
    .filter((key) => sizes[key] < floors[key])
    .map((key) => `${key} ${sizes[key]} < ${floors[key]}`);
  const atEdge = best.edges.map(
    ({ hyperparameter, side, bound, extend_to: extendTo }) =>
      `the winner's ${hyperparameter} ${valueOf(best.hyperparameters[hyperparameter as HyperparameterName] ?? NaN)} lies at the ${side} edge of its range (${bound}): the optimum may be beyond it; widen the range to ${valueOf(extendTo)}`,
  );
  return [
    ...atEdge,
    ...(parametrization === "sp" ? ["parametrization sp: the best hyperparameters of a proxy are not expected to be the target's"] : []),
    ...(below.length > 0
      ? [`below the sizes at which the μTransfer paper trusts a proxy (${below.join(", ")}): a lead, not yet evidence`]
      : []),
  ];
}

/** Notes as lines of text. */
export function renderNotes(notes: readonly string[], style: Style): string {
  return notes.map((note) => style.dim(`note: ${note}`)).join("\n");
}
