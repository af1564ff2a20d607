/** How the loss fell during training: all proxies, the winner, the target against them, and what is in training now as far as it has come. */
import { lossOf } from "../../numbers.ts";
import type { TrialResult } from "../../run/trial-result.ts";
import { thinned } from "../../statistics.ts";
import type { Chart, Figure, Layout, Row } from "./figure.ts";
import { boundsOf, lossAxis, lossFrame, panelWidth, type Frame } from "./frames.ts";
import { sampleNote, type ReportInput } from "./input.ts";
import { lossesOf } from "./scatter.ts";
import { inkOf } from "./theme.ts";
import { tipChannel, trainingNow, trialKey, withTips, type TrainingNow } from "./trials.ts";

const shownTrials = 200;
/** Points of a proxy's curve, and of the winner's and the target's. */
const [fewPoints, manyPoints] = [60, 300];
/** Share of the steps after which losses decide the frame: the fall from the start would flatten the rest. */
const settled = 0.15;

type Kind = "proxy" | "winner" | "target" | "growing" | "growing target";

const curveRows = (kind: Kind, trial: number, curve: TrialResult["curve"]): readonly Row[] =>
  thinned(
    curve.filter(({ validation_loss: loss }) => loss !== null),
    kind === "proxy" ? fewPoints : manyPoints,
  ).map(({ step, training_loss, validation_loss }) => ({
    ...{ kind, trial, name: kind === "target" ? "the target" : trialKey(trial), step },
    ...{ training_loss, validation_loss },
  }));

const growingRows = ({ isTarget, name, trial, curve }: TrainingNow): readonly Row[] =>
  thinned(
    curve.filter(({ validationLoss: loss }) => loss !== null),
    manyPoints,
  ).map(({ step, validationLoss }) => ({
    ...{ kind: isTarget ? "growing target" : "growing", trial, name, step },
    ...{ training_loss: null, validation_loss: validationLoss },
  }));

/** Loss against steps of the best trials, of the target, and of what is in training. */
export function trainingCurves(input: ReportInput): Figure | undefined {
  const { sample, ranked, counts, best, transfer, spec } = input;
  const growing = trainingNow(input);
  const shown = thinned(
    sample.filter(({ status }) => status !== "failed"),
    shownTrials,
  );
  const rows = [
    ...shown.flatMap((trial) =>
      curveRows(trial.id === best?.trial && trial.seed === best.seed ? "winner" : "proxy", trial.id, trial.curve),
    ),
    ...(transfer === undefined ? [] : curveRows("target", transfer.trial, transfer.curve)),
    ...growing.flatMap(growingRows),
  ];
  const last = Math.max(0, ...lossesOf(rows, "step"));
  const late = rows.filter(({ step }) => Number(step) >= settled * last);
  if (late.length < 2) return undefined;
  const frame = lossFrame(lossesOf(late, "validation_loss"));
  const lengths = rows.length > 0 && curvesAreThinned(shown) ? " Long curves are thinned." : "";
  const isTargetGrowing = growing.some(({ isTarget }) => isTarget);
  const target =
    transfer === undefined
      ? isTargetGrowing
        ? " The target is in training."
        : " The target has not been trained yet."
      : ` The dashed line is the target of width ${transfer.width}, with the same hyperparameters${transfer.validation_loss === null ? "; it diverged" : ` (${lossOf(transfer.validation_loss)} at its end)`}: a transfer that works runs below every proxy.`;
  const open = growing.length === 0 ? "" : " Dotted lines with an open end are in training now.";
  // While curves grow the axis is as long as they will be.
  const end = growing.length > 0 && spec !== undefined ? spec.train.steps : last;
  return {
    name: "training-curves",
    title: "Training curves",
    caption: `Validation loss against training steps: a thin line per proxy, the winner bold.${open}${target} Lines that cross late say that a shorter training would have chosen another winner. The first steep fall is cut off.${lengths}${sampleNote(shown.length, ranked.length - counts.failed)}`,
    rows,
    chart: (layout) => chartOf(layout, rows, frame, end, transfer?.width ?? spec?.width.target),
  };
}

const curvesAreThinned = (trials: readonly TrialResult[]): boolean => trials.some(({ curve }) => curve.length > fewPoints);

function chartOf(layout: Layout, plainRows: readonly Row[], frame: Frame, last: number, targetWidth: number | undefined): Chart {
  const rows = withTips(plainRows, ({ name }) => String(name));
  const target = `target, width ${targetWidth ?? "?"}`;
  const names: { readonly [K in Kind]: string } = {
    ...{ proxy: "proxies", winner: "winner", target },
    ...{ growing: "in training", "growing target": `${target}, in training` },
  };
  const kinds = (Object.keys(names) as Kind[]).filter((kind) => rows.some((row) => row["kind"] === kind));
  const inks: { readonly [K in Kind]: string } = {
    ...{ proxy: inkOf("trial"), winner: inkOf("winner"), target: inkOf("target") },
    ...{ growing: inkOf("warn"), "growing target": inkOf("target") },
  };
  const styles: { readonly [K in Kind]: Chart } = {
    proxy: { strokeWidth: 1.2, opacity: rows.length > 2000 ? 0.25 : 0.5 },
    winner: { strokeWidth: 3.2 },
    target: { strokeWidth: 3.2, strokeDash: [8, 4] },
    growing: { strokeWidth: 2, strokeDash: [2, 3] },
    "growing target": { strokeWidth: 3, strokeDash: [2, 3] },
  };
  const [, end] = boundsOf([0, last]);
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
    layer: kinds.flatMap((kind): readonly Chart[] => {
      const own: readonly Row[] = rows.filter((row) => row["kind"] === kind).map((row) => ({ ...row, curve: names[kind] }));
      const line: Chart = {
        data: { values: own },
        mark: { type: "line", clip: true, ...styles[kind] },
        encoding: { x, y, detail: { field: "name", type: "nominal" }, color, ...tipChannel },
      };
      if (kind !== "growing" && kind !== "growing target") return [line];
      const ends = [...new Map(own.map((row) => [row["name"], row])).values()];
      const mark = { type: "point", clip: true, size: 60, strokeWidth: 2 };
      return [line, { data: { values: ends }, mark, encoding: { x, y, color, ...tipChannel } }];
    }),
  };
}
