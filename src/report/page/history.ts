/** Losses in the order of the trials, with the best so far: whether more trials would still pay. */
import type { TrialSummary } from "../../run/state.ts";
import { thinned } from "../../statistics.ts";
import type { Chart, Figure, Layout, Row } from "./figure.ts";
import { beyondMarks, boundsOf, crosses, lossAxis, panelWidth, squares, trialFrame, type Frame } from "./frames.ts";
import { sampledTrials, type ReportInput } from "./input.ts";
import { lossesOf } from "./scatter.ts";
import { inkOf } from "./theme.ts";
import { tipChannel, withTrials } from "./trials.ts";

/** Every trial by id; of very many those that improved on all before them, and others evenly. */
function rowsOf(ranked: readonly TrialSummary[]): readonly Row[] {
  const byId = [...ranked].sort((a, b) => a.id - b.id || a.seed - b.seed);
  let best = Infinity;
  const all = byId.map(({ id, status, validationLoss: loss }) => {
    const improved = status === "completed" && loss !== null && loss < best;
    if (improved) best = loss;
    return { trial: id, loss, status, improved, best_so_far: best === Infinity ? null : best };
  });
  if (all.length <= sampledTrials) return all;
  const kept = new Set(thinned(all, sampledTrials));
  return all.filter((row) => row.improved || kept.has(row));
}

/** Whether a trial has a loss that says how good its hyperparameters are. */
const hasPlace = ({ status, loss }: Row): boolean => (status === "completed" || status === "stopped") && loss !== null;

/** The loss of each trial in the order they were tried; none without trials. */
export function history(input: ReportInput): Figure | undefined {
  if (input.ranked.length === 0) return undefined;
  const rows = rowsOf(input.ranked);
  const frame = trialFrame(rows, (row) => (hasPlace(row) ? Number(row["loss"]) : null));
  const last = rows.findLast(({ improved }) => improved === true);
  const since = last === undefined ? "" : ` The last improvement was trial ${String(last["trial"])}.`;
  const sampled =
    rows.length < input.ranked.length
      ? ` Of ${input.ranked.length} trials ${rows.length} are drawn: every one that improved on those before it, and others evenly; the line counts them all.`
      : "";
  return {
    name: "history",
    title: "History",
    caption: `Validation loss by number of the trial, with the best so far as a line. While the line still takes steps, more trials are likely to find better; a long flat end says that the search has found what it can. Every point is a first run, ○ one that was stopped early, at its last loss. × marks trials that diverged, □ trials that learned nothing, the bar | trials that failed, △ losses beyond the frame.${since}${sampled}`,
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
  const told = withTrials(rows);
  const isBeyond = ({ loss }: Row): boolean => Number(loss) > frame.high;
  const within = told.filter((row) => hasPlace(row) && !isBeyond(row));
  const endedAs = (status: string, among = told): readonly Row[] => among.filter((row) => row["status"] === status);
  const opacity = within.length > 300 ? 0.35 : 0.7;
  return {
    width: panelWidth(layout),
    height: layout.name === "wide" ? 260 : 220,
    layer: [
      {
        data: { values: endedAs("completed", within) },
        mark: { type: "circle", size: 40, color: inkOf("trial"), opacity },
        encoding: { x, y, ...tipChannel },
      },
      {
        data: { values: endedAs("stopped", within) },
        mark: { type: "point", size: 36, stroke: inkOf("trial"), strokeWidth: 1.4, opacity },
        encoding: { x, y, ...tipChannel },
      },
      beyondMarks(
        told.filter((row) => hasPlace(row) && isBeyond(row)),
        x,
      ),
      crosses(endedAs("diverged"), x),
      squares(endedAs("untrained"), x),
      {
        data: { values: endedAs("failed") },
        mark: { type: "tick", color: inkOf("muted"), thickness: 1.5, orient: "vertical", height: 12 },
        encoding: { x, y: { value: 4 }, ...tipChannel },
      },
      {
        data: { values: rows.filter(({ best_so_far: best }) => best !== null) },
        mark: { type: "line", interpolate: "step-after", color: inkOf("winner"), strokeWidth: 2.2, clip: true },
        encoding: { x, y: { ...y, field: "best_so_far" } },
      },
    ],
  };
}
