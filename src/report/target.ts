/** The target run as text: what is copied, what the check before it found, how it ended. */
import type { Prelaunch } from "../evidence/records.ts";
import type { TargetWord } from "../evidence/target.ts";
import { countOf, lossOf, valueOf } from "../numbers.ts";
import type { HyperparameterName, Hyperparameters } from "../parametrization/roles.ts";
import type { LaunchEnd } from "../studies/launch.ts";
import type { TensorTable } from "../training/tensor-table.ts";
import { visible } from "./diagnostics.ts";
import type { Style } from "./style.ts";
import { textTable } from "./text-table.ts";
import { wrapped } from "./text.ts";
import { renderTensors } from "./tensors.ts";

/** A launch as it is shown. */
export interface LaunchView {
  readonly proxyWidth: number;
  readonly width: number;
  readonly layers: number;
  readonly parameters: number;
  /** Hyperparameters of the proxy and of the target, which are equal unless some do not transfer. */
  readonly hyperparameters: readonly [Hyperparameters, Hyperparameters];
  readonly tensors: TensorTable;
}

/** What the target gets, as text. */
export function renderLaunch({ proxyWidth, width, layers, hyperparameters, tensors }: LaunchView, style: Style): string {
  const [proxy, target] = hyperparameters;
  const head = ["hyperparameter", `proxy, width ${proxyWidth}`, `target, width ${width}`];
  const rows = (Object.keys(proxy) as HyperparameterName[]).map((name) => [
    name,
    ...[proxy, target].map((each) => valueOf(each[name] ?? NaN)),
  ]);
  return `${textTable(head, rows, [false, true, true], style)}\n\n${renderTensors(tensors, layers, style)}`;
}

/** What the check before a launch found, as text. */
export function renderPrelaunch({ coordinates, between, prediction, width }: Prelaunch): string {
  const rates = [between.half, between.winner, between.twice].map(lossOf).join(", ");
  return [
    `pre-launch check: coordinates ${coordinates.verdict}${coordinates.verdict === "PASS" ? "" : `: ${coordinates.reason}`}`,
    `width ${between.width} at half, once and twice the winner's learning rate: ${rates}`,
    ...(prediction === null
      ? []
      : [
          `predicted for width ${width}: ${lossOf(prediction.validation_loss)} nats (${lossOf(prediction.low)} to ${lossOf(prediction.high)})`,
        ]),
  ].join("\n");
}

/** How the target ended, as it is shown. */
export interface TargetOutcome extends Pick<LaunchEnd, "outcome" | "finalNats" | "untrainedNats" | "verdict" | "prediction"> {
  readonly proxyValidationLoss: number;
  /** Where transfer.json was written. */
  readonly path: string;
}

type Sized = Pick<LaunchView, "width" | "proxyWidth" | "parameters">;

/** How the target ended, as text. */
export function renderTarget(sized: Sized, ended: TargetOutcome, style: Style): string {
  const { verdict, prediction, path, outcome } = ended;
  const { validationLoss } = outcome;
  const lines = [
    headlines[verdict.word](sized, ended, style),
    ...verdict.reasons.map((reason) => style.red(`  perhaps: ${reason}`)),
    ...(prediction === null || validationLoss === null ? [] : [againstPrediction(prediction, validationLoss)]),
  ];
  // A path is not divided.
  const wrote = `wrote ${visible(path)}${outcome.status === "diverged" ? ", with its curve" : " and weights.safetensors"}`;
  return `${wrapped(lines.join("\n"), style.columns)}\n${wrote}`;
}

const learned = ({ width, parameters }: Sized, loss: number | null, style: Style): string =>
  `${style.bold(`target: width ${width}`)}, ${countOf(parameters)} parameters, validation loss ${style.bold(lossOf(loss))} nats`;

/** What is said first of a target, by what it came to. */
const headlines: { readonly [W in TargetWord]: (sized: Sized, ended: TargetOutcome, style: Style) => string } = {
  holds: (sized, { outcome: { validationLoss: loss }, proxyValidationLoss: proxy, verdict: { isCompared, marginNats } }, style) => {
    const gain = proxy - (loss ?? NaN);
    const against =
      gain >= 0
        ? `${lossOf(gain)} below the proxy's ${lossOf(proxy)}`
        : `${lossOf(-gain)} above the proxy's ${lossOf(proxy)}, where seeds explain ${lossOf(marginNats)}`;
    return `${learned(sized, loss, style)}${isCompared ? `, ${against}` : ""}`;
  },
  worse: (sized, { outcome: { validationLoss: loss }, proxyValidationLoss: proxy, verdict: { marginNats } }, style) =>
    `${learned(sized, loss, style)}: ${style.red(`${sized.width > sized.proxyWidth ? "wider" : "deeper"} is worse here: it is ${lossOf((loss ?? NaN) - proxy)} above the proxy's ${lossOf(proxy)}, and seeds explain ${lossOf(marginNats)}`)}`,
  untrained: ({ width }, { finalNats, untrainedNats }, style) =>
    style.red(
      `the target of width ${width} learned nothing: its validation loss ${lossOf(finalNats)} is no better than the ${lossOf(untrainedNats)} of an untrained model`,
    ),
  diverged: ({ width }, { outcome: { steps }, finalNats, untrainedNats }, style) =>
    style.red(
      finalNats === null
        ? `the target of width ${width} diverged at step ${steps}`
        : `the target of width ${width} diverged: its validation loss ${lossOf(finalNats)} is above the ${lossOf(untrainedNats)} of an untrained model`,
    ),
};

function againstPrediction(
  { validation_loss: predicted, low, high }: NonNullable<Prelaunch["prediction"]>,
  validationLoss: number,
): string {
  const where = validationLoss < low ? "below" : validationLoss > high ? "above" : "within";
  return `predicted ${lossOf(predicted)} (${lossOf(low)} to ${lossOf(high)}): ${lossOf(Math.abs(validationLoss - predicted))} off, ${where} the range`;
}
