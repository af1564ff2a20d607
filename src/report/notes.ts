/**
 * What a user should know before trusting a sweep: settings known to mislead, and
 * winners that are no optimum. Each note says what to do about it.
 */
import { lossOf, percentOf, valueOf } from "../numbers.ts";
import type { HyperparameterName, Parametrization } from "../parametrization/roles.ts";
import type { Setup } from "../placement/arrangements.ts";
import type { ResultsHead } from "../run/results.ts";
import type { CompleteSpec } from "../spec/complete.ts";
import type { Generalization } from "../sweep/generalization.ts";
import type { Style } from "./style.ts";
import { wrapped } from "./text.ts";

/** The smallest sizes at which the authors of μTransfer trust a proxy. Source: TP-V, section 6 and appendix. */
const floors = { width: 256, depth: 4, batch: 32, context: 128, steps: 5000 } as const;

/** Below this base width the readout learns too slowly without an output multiplier; measured, see docs/mup.md. */
const smallBaseWidth = 256;

/** Why the best hyperparameters of a proxy are not expected to be the target's, where a parametrization is to blame. */
const movesBecause: { readonly [P in Parametrization]: string | undefined } = {
  mup: undefined,
  completep: undefined,
  sp_fan_in: "only initial weights follow the width",
  sp: "nothing follows the width",
};

/** What to know of a spec before its sweep is trusted. */
export function specNotes(spec: CompleteSpec): readonly string[] {
  const output = spec.search.parameters.output_multiplier;
  const fixedAtOne = "value" in output && output.value === 1;
  return movesBecause[spec.parametrization] === undefined && spec.width.base < smallBaseWidth && fixedAtOne
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

type Yardsticks = ResultsHead["analysis"]["yardsticks"];

/** What is said of a winner that knows no more than the tokens' frequencies. */
export function frequencyNote(best: ResultsHead["best"], yardsticks: Yardsticks): readonly string[] {
  const frequencies = yardsticks?.frequencies ?? null;
  return best === null || frequencies === null || best.validation_loss < frequencies - (yardsticks?.margin ?? 0)
    ? []
    : [
        `the best has learned hardly more than how frequent each token is, which costs ${lossOf(frequencies)} nats: its hyperparameters say nothing of a training that learns more; give more steps, or other learning rates`,
      ];
}

/** The winner's edges that stand against it, which a transfer refuses, or those that do not. */
export function edgeNotes({ edges, hyperparameters }: NonNullable<ResultsHead["best"]>, matters: boolean): readonly string[] {
  return edges
    .filter((edge) => edge.matters === matters)
    .map(({ hyperparameter, side, bound, extend_to: extendTo, share }) => {
      const value = hyperparameters[hyperparameter as HyperparameterName];
      const mattered = share == null ? "" : `, and it explains ${percentOf(share)} of the ranks' variance`;
      return `the winner's ${hyperparameter}${value === undefined ? "" : ` ${valueOf(value)}`} lies at the ${side} edge of its range (${bound})${
        matters
          ? `: the optimum may be beyond it${mattered}; widen the range to ${valueOf(extendTo)}, or a transfer has to be forced`
          : "; the trials do not show that it gains more by that than a seed changes, so nothing asks for a wider range"
      }`;
    });
}

/** What to know before trusting a sweep's winner. */
export function resultNotes({
  best,
  spec,
  yardsticks,
}: Pick<ResultsHead, "best" | "spec"> & { readonly yardsticks?: Yardsticks }): readonly string[] {
  if (best === null) return [];
  const { width, depth, model, train, parametrization } = spec;
  const sizes = { width: width.proxy, depth: depth?.proxy ?? model.layers, batch: train.batch, context: model.context, steps: train.steps };
  const below = (Object.keys(floors) as (keyof typeof floors)[])
    .filter((key) => sizes[key] < floors[key])
    .map((key) => `${key} ${sizes[key]} < ${floors[key]}`);
  const reason = movesBecause[parametrization];
  return [
    ...frequencyNote(best, yardsticks),
    ...edgeNotes(best, true),
    ...edgeNotes(best, false),
    ...(reason === undefined
      ? []
      : [`parametrization ${parametrization}: ${reason}, so the best hyperparameters of a proxy are not expected to be the target's`]),
    ...(below.length > 0
      ? [`below the sizes at which the μTransfer paper trusts a proxy (${below.join(", ")}): a lead, not yet evidence`]
      : []),
  ];
}

/** Notes as lines of text. */
export function renderNotes(notes: readonly string[], style: Style): string {
  return notes.map((note) => style.dim(wrapped(`note: ${note}`, style.columns))).join("\n");
}
