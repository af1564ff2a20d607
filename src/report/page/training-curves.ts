/** How the loss fell during training: all proxies, the winner, and the target against them. */
import { lossOf } from "../../numbers.ts";
import type { TrialResult } from "../../run/trial-result.ts";
import { thinned } from "../../statistics.ts";
import type { Chart, Figure, Layout, Row } from "./figure.ts";
import { boundsOf, lossAxis, lossFrame, panelWidth, type Frame } from "./frames.ts";
import { sampleNote, type ReportInput } from "./input.ts";
import { lossesOf } from "./scatter.ts";
import { inkOf } from "./theme.ts";

const shownTrials = 200;
/** Points of a proxy's curve, and of the winner's and the target's. */
const [fewPoints, manyPoints] = [60, 300];
/** Share of the steps after which losses decide the frame: the fall from the start would flatten the rest. */
const settled = 0.15;

type Kind = "proxy" | "winner" | "target";

const curveRows = (kind: Kind, trial: number, curve: TrialResult["curve"]): readonly Row[] =>
  thinned(
    curve.filter(({ validation_loss: loss }) => loss !== null),
    kind === "proxy" ? fewPoints : manyPoints,
  ).map(({ step, training_loss, validation_loss }) => ({ kind, trial, step, training_loss, validation_loss }));

/** Loss against steps of the best trials, and of the target. */
export function trainingCurves({ sample, ranked, best, transfer }: ReportInput): Figure | undefined {
  const shown = thinned(
    sample.filter(({ status }) => status !== "failed"),
    shownTrials,
  );
  const rows = [
    ...shown.flatMap((trial) =>
      curveRows(trial.id === best?.trial && trial.seed === best.seed ? "winner" : "proxy", trial.id, trial.curve),
    ),
    ...(transfer === undefined ? [] : curveRows("target", transfer.trial, transfer.curve)),
  ];
  const last = Math.max(0, ...lossesOf(rows, "step"));
  const late = rows.filter(({ step }) => Number(step) >= settled * last);
  if (late.length < 2) return undefined;
  const frame = lossFrame(lossesOf(late, "validation_loss"));
  const lengths = rows.length > 0 && curvesAreThinned(shown) ? " Long curves are thinned." : "";
  const target =
    transfer === undefined
      ? " The target has not been trained yet."
      : ` The dashed line is the target of width ${transfer.width}, with the same hyperparameters${transfer.validation_loss === null ? "; it diverged" : ` (${lossOf(transfer.validation_loss)} at its end)`}: a transfer that works runs below every proxy.`;
  return {
    name: "training-curves",
    title: "Training curves",
    caption: `Validation loss against training steps: a thin line per proxy, the winner bold.${target} Lines that cross late say that a shorter training would have chosen another winner. The first steep fall is cut off.${lengths}${sampleNote(shown.length, ranked.length)}`,
    rows,
    chart: (layout) => chartOf(layout, rows, frame, transfer?.width),
  };
}

const curvesAreThinned = (trials: readonly TrialResult[]): boolean => trials.some(({ curve }) => curve.length > fewPoints);

function chartOf(layout: Layout, rows: readonly Row[], frame: Frame, targetWidth: number | undefined): Chart {
  const names: { readonly [K in Kind]: string } = { proxy: "proxies", winner: "winner", target: `target, width ${targetWidth ?? "?"}` };
  const kinds = (Object.keys(names) as Kind[]).filter((kind) => rows.some((row) => row["kind"] === kind));
  const inks: { readonly [K in Kind]: string } = { proxy: inkOf("trial"), winner: inkOf("winner"), target: inkOf("target") };
  const styles: { readonly [K in Kind]: Chart } = {
    proxy: { strokeWidth: 1.2, opacity: rows.length > 2000 ? 0.25 : 0.5 },
    winner: { strokeWidth: 3.2 },
    target: { strokeWidth: 3.2, strokeDash: [8, 4] },
  };
  const [, end] = boundsOf(lossesOf(rows, "step"));
  const x = {
    field: "step",
    type: "quantitative",
    title: "step",
    scale: { domain: [0, end], nice: false },
    axis: { grid: false, format: "~s", tickCount: 6 },
  };
  const y = { field: "validation_loss", ...(lossAxis(frame, "validation loss, nats") as object) };
  const color = {
    field: "curve",
    type: "nominal",
    title: null,
    scale: { domain: kinds.map((kind) => names[kind]), range: kinds.map((kind) => inks[kind]) },
    legend: { symbolType: "stroke", symbolOpacity: 1, symbolStrokeWidth: 3, columns: 3 },
  };
  return {
    width: panelWidth(layout),
    height: layout.name === "wide" ? 340 : 280,
    layer: kinds.map((kind) => ({
      data: { values: rows.filter((row) => row["kind"] === kind).map((row) => ({ ...row, curve: names[kind] })) },
      mark: { type: "line", clip: true, ...styles[kind] },
      encoding: { x, y, detail: { field: "trial", type: "nominal" }, color },
    })),
  };
}
