/**
 * The frames that charts share: which part of an axis is shown, how panels are laid
 * out, and the marks for trials that have no loss.
 */
import type { Chart, Json, Layout, Row } from "./figure.ts";
import { inkOf, surfaceInk } from "./theme.ts";
import { tipChannel } from "./trials.ts";

/** Pixels beside a panel for its axis. */
const axisPixels = 62;
const spacing = 28;

/** Width in pixels of one of `columns` panels side by side. */
export const panelWidth = ({ width }: Layout, columns = 1): number =>
  Math.floor((width - 16 - spacing * (columns - 1)) / columns) - axisPixels;

/** Panels in rows of `columns`, each with its own axes. */
export const panels = (charts: readonly Chart[], columns: number): Chart => ({
  concat: charts,
  columns,
  spacing,
  resolve: { axis: { x: "independent", y: "independent" } },
});

/** The part of the loss axis that a figure shows. */
export interface Frame {
  readonly low: number;
  readonly high: number;
  /** Where what lies beyond the frame is drawn; above every point within. */
  readonly top: number;
}

/** Share of the losses that decides the frame, and how many times their spread it may reach. */
const [decisive, reach] = [0.75, 3];

/** The part of the loss axis that tells good trials apart: a few very bad ones do not stretch it. */
export function lossFrame(losses: readonly number[]): Frame {
  if (losses.length === 0) return { low: 0, high: 1, top: 1 };
  const sorted = [...losses].sort((a, b) => a - b);
  const [low, worst] = [sorted[0], sorted[sorted.length - 1]];
  const spread = sorted[Math.floor((sorted.length - 1) * decisive)] - low;
  const high = spread > 0 && worst - low > reach * spread ? low + reach * spread : worst;
  const margin = 0.08 * (high - low || Math.abs(high) || 1);
  return { low: low - margin, high: high + 2 * margin, top: high + margin };
}

/** Share of the losses that decides the frame where some are of trials that were stopped early: those say how bad, not where the valley is. */
const decisiveWhenStopped = 2 / 3;

/** The frame of trials by the losses that they are shown at. */
export function trialFrame(rows: readonly Row[], lossOf: (row: Row) => number | null): Frame {
  const losses = rows.flatMap((row) => lossOf(row) ?? []).sort((a, b) => a - b);
  const someStopped = rows.some(({ status }) => status === "stopped");
  return lossFrame(someStopped ? losses.slice(0, Math.ceil(losses.length * decisiveWhenStopped)) : losses);
}

/** Bounds with a margin, so that no point lies on the frame; also for a single value. */
export function boundsOf(values: readonly number[], isLog = false): readonly [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return isLog ? [0.1, 1] : [0, 1];
  if (isLog) {
    const margin = (high / low) ** 0.04 * (high === low ? 1.5 : 1);
    return [low / margin, high * margin];
  }
  const margin = 0.04 * (high - low) || Math.abs(high) * 0.2 || 1;
  return [low - margin, high + margin];
}

/** The axis of losses within a frame. */
export const lossAxis = ({ low, high }: Frame, title: string): Json => ({
  type: "quantitative",
  title,
  scale: { domain: [low, high], nice: false, zero: false },
  axis: { tickCount: 5 },
});

const crossPath = "M-1,-1L1,1M-1,1L1,-1";

/** ×: what diverged, at the top of the frame. */
export const crosses = (rows: readonly Row[], x: Json): Chart => ({
  data: { values: rows },
  mark: { type: "point", shape: crossPath, stroke: inkOf("diverged"), strokeWidth: 1.6, size: 40, opacity: 0.85 },
  encoding: { x, y: { value: 8 }, ...tipChannel },
});

/** □: trials that learned nothing, at the top of the frame. */
export const squares = (rows: readonly Row[], x: Json): Chart => ({
  data: { values: rows },
  mark: { type: "point", shape: "square", stroke: inkOf("unsure"), strokeWidth: 1.6, size: 40, opacity: 0.85 },
  encoding: { x, y: { value: 8 }, ...tipChannel },
});

/** △: losses beyond the frame, at its upper edge. */
export const beyondMarks = (rows: readonly Row[], x: Json): Chart => ({
  data: { values: rows },
  mark: { type: "point", shape: "triangle-up", stroke: inkOf("muted"), size: 40, strokeWidth: 1.4 },
  encoding: { x, y: { value: 8 }, ...tipChannel },
});

/** Words in a chart, on a halo that keeps them apart from the lines behind them. */
export const words = (rows: readonly Row[], mark: Chart, encoding: Chart): readonly Chart[] =>
  [{ stroke: surfaceInk, strokeWidth: 4, strokeJoin: "round" }, {}].map((halo) => ({
    data: { values: rows },
    mark: { type: "text", fontSize: 12, ...mark, ...halo },
    encoding,
  }));
