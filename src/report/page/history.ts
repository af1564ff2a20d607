/** Losses in the order of the trials, with the best so far: whether more trials would still pay. */
import type { TrialSummary } from "../../run/state.ts";
import { thinned } from "../../statistics.ts";
import type { Chart, Figure, Layout, Row } from "./figure.ts";
import { beyondMarks, boundsOf, crosses, lossAxis, lossFrame, panelWidth, type Frame } from "./frames.ts";
import { sampledTrials, type ReportInput } from "./input.ts";
import { lossesOf } from "./scatter.ts";
import { inkOf } from "./theme.ts";

/** Every trial by id; of very many those that improved on all before them, and others evenly. */
function rowsOf(ranked: readonly TrialSummary[]): readonly Row[] {
  const byId = [...ranked].sort((a, b) => a.id - b.id || a.seed - b.seed);
  let best = Infinity;
  const all = byId.map(({ id, status, validationLoss: loss }) => {
    const improved = loss !== null && loss < best;
    if (improved) best = loss;
    return { trial: id, loss, status, improved, best_so_far: best === Infinity ? null : best };
  });
  if (all.length <= sampledTrials) return all;
  const kept = new Set(thinned(all, sampledTrials));
  return all.filter((row) => row.improved || kept.has(row));
}

/** The loss of each trial in the order they were tried; none without trials. */
export function history(input: ReportInput): Figure | undefined {
  if (input.ranked.length === 0) return undefined;
  const rows = rowsOf(input.ranked);
  const frame = lossFrame(lossesOf(rows));
  const last = rows.findLast(({ improved }) => improved === true);
  const since = last === undefined ? "" : ` The last improvement was trial ${String(last["trial"])}.`;
  const sampled =
    rows.length < input.ranked.length
      ? ` Of ${input.ranked.length} trials ${rows.length} are drawn: every one that improved on those before it, and others evenly; the line counts them all.`
      : "";
  return {
    name: "history",
    title: "History",
    caption: `Validation loss by number of the trial, with the best so far as a line. While the line still takes steps, more trials are likely to find better; a long flat end says that the search has found what it can. × marks trials that diverged or learned nothing, the bar | trials that failed, △ losses beyond the frame.${since}${sampled}`,
    rows,
    chart: (layout) => chartOf(layout, rows, frame),
  };
}

function chartOf(layout: Layout, rows: readonly Row[], frame: Frame): Chart {
  const x = {
    field: "trial",
    type: "quantitative",
    title: "trial",
    scale: { domain: boundsOf(lossesOf(rows, "trial")), nice: false, zero: false },
    axis: { tickMinStep: 1, format: "~s", tickCount: 8, grid: false },
  };
  const y = { field: "loss", ...(lossAxis(frame, "validation loss, nats") as object) };
  const completed = rows.filter(({ status }) => status === "completed");
  const isBeyond = ({ loss }: Row): boolean => typeof loss === "number" && loss > frame.high;
  return {
    width: panelWidth(layout),
    height: layout.name === "wide" ? 260 : 220,
    layer: [
      {
        data: { values: completed.filter((row) => !isBeyond(row)) },
        mark: { type: "circle", size: 40, color: inkOf("trial"), opacity: completed.length > 300 ? 0.35 : 0.7 },
        encoding: { x, y },
      },
      beyondMarks(completed.filter(isBeyond), x),
      crosses(
        rows.filter(({ status }) => status === "diverged" || status === "untrained"),
        x,
      ),
      {
        data: { values: rows.filter(({ status }) => status === "failed") },
        mark: { type: "tick", color: inkOf("muted"), thickness: 1.5, orient: "vertical", height: 12 },
        encoding: { x, y: { value: 4 } },
      },
      {
        data: { values: rows.filter(({ best_so_far: best }) => best !== null) },
        mark: { type: "line", interpolate: "step-after", color: inkOf("winner"), strokeWidth: 2.2, clip: true },
        encoding: { x, y: { ...y, field: "best_so_far" } },
      },
    ],
  };
}
