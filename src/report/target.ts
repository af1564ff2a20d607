/** The target run as text: what is copied, what the check before it found, how it ended. */
import type { Prelaunch } from "../evidence/records.ts";
import { countOf, lossOf, valueOf } from "../numbers.ts";
import type { HyperparameterName, Hyperparameters } from "../parametrization/roles.ts";
import type { TensorTable } from "../training/tensor-table.ts";
import { textTable } from "./ranking.ts";
import type { Style } from "./style.ts";
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
export interface TargetOutcome {
  /** The target's validation loss, in nats; null when it diverged. */
  readonly validationLoss: number | null;
  readonly steps: number;
  readonly proxyValidationLoss: number;
  readonly prediction: Prelaunch["prediction"];
  /** Where transfer.json was written. */
  readonly path: string;
}

/** How the target ended, as text. */
export function renderTarget(
  { width, proxyWidth, parameters }: Pick<LaunchView, "width" | "proxyWidth" | "parameters">,
  outcome: TargetOutcome,
  style: Style,
): string {
  const { validationLoss, steps, proxyValidationLoss: proxyLoss, prediction, path } = outcome;
  if (validationLoss === null) return style.red(`the target of width ${width} diverged at step ${steps}; its curve is in ${path}`);
  const gain = proxyLoss - validationLoss;
  const against = `, ${lossOf(Math.abs(gain))} ${gain >= 0 ? "below" : style.red("above")} the proxy's ${lossOf(proxyLoss)}`;
  return [
    `${style.bold(`target: width ${width}`)}, ${countOf(parameters)} parameters, validation loss ${style.bold(lossOf(validationLoss))} nats${width === proxyWidth ? "" : against}`,
    ...(prediction === null ? [] : [againstPrediction(prediction, validationLoss)]),
    `wrote ${path} and weights.safetensors`,
  ].join("\n");
}

function againstPrediction(
  { validation_loss: predicted, low, high }: NonNullable<Prelaunch["prediction"]>,
  validationLoss: number,
): string {
  const where = validationLoss < low ? "below" : validationLoss > high ? "above" : "within";
  return `predicted ${lossOf(predicted)} (${lossOf(low)} to ${lossOf(high)}): ${lossOf(Math.abs(validationLoss - predicted))} off, ${where} the range`;
}
