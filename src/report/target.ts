/** The target run as text: what is copied, what the check before it found, how it ended. */
import type { Prelaunch } from "../evidence/records.ts";
import type { TensorTable } from "../training/tensor-table.ts";
import { countOf, lossOf, valueOf } from "./numbers.ts";
import { textTable } from "./ranking.ts";
import type { Style } from "./style.ts";
import { renderTensors } from "./tensors.ts";

export interface LaunchView {
  readonly proxyWidth: number;
  readonly width: number;
  readonly layers: number;
  readonly parameters: number;
  /** The proxy's and the target's. */
  readonly hyperparameters: readonly [Readonly<Record<string, number>>, Readonly<Record<string, number>>];
  readonly tensors: TensorTable;
}

export function renderLaunch({ proxyWidth, width, layers, hyperparameters, tensors }: LaunchView, style: Style): string {
  const [proxy, target] = hyperparameters;
  const head = ["hyperparameter", `proxy, width ${proxyWidth}`, `target, width ${width}`];
  const rows = Object.entries(proxy).map(([name, value]) => [name, valueOf(value), valueOf(target[name])]);
  return `${textTable(head, rows, [false, true, true], style)}\n\n${renderTensors(tensors, layers, style)}`;
}

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

export interface TargetOutcome {
  /** Null when the target diverged. */
  readonly lossNats: number | null;
  readonly steps: number;
  readonly proxyNats: number;
  readonly prediction: Prelaunch["prediction"];
  /** Where transfer.json was written. */
  readonly path: string;
}

export function renderTarget({ width, proxyWidth, parameters }: LaunchView, outcome: TargetOutcome, style: Style): string {
  const { lossNats, steps, proxyNats, prediction, path } = outcome;
  if (lossNats === null) return style.red(`the target of width ${width} diverged at step ${steps}; its curve is in ${path}`);
  const gain = proxyNats - lossNats;
  const against = `, ${lossOf(Math.abs(gain))} ${gain >= 0 ? "below" : style.red("above")} the proxy's ${lossOf(proxyNats)}`;
  return [
    `${style.bold(`target: width ${width}`)}, ${countOf(parameters)} parameters, validation loss ${style.bold(lossOf(lossNats))} nats${width === proxyWidth ? "" : against}`,
    ...(prediction === null ? [] : [againstPrediction(prediction, lossNats)]),
    `wrote ${path} and weights.safetensors`,
  ].join("\n");
}

function againstPrediction({ validation_loss: predicted, low, high }: NonNullable<Prelaunch["prediction"]>, lossNats: number): string {
  const where = lossNats < low ? "below" : lossNats > high ? "above" : "within";
  return `predicted ${lossOf(predicted)} (${lossOf(low)} to ${lossOf(high)}): ${lossOf(Math.abs(lossNats - predicted))} off, ${where} the range`;
}
