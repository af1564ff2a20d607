/**
 * Loss over learning rate as a line of text per width: the shape of the valley, in a
 * terminal, with where its floor lies.
 */
import type { Curves } from "../evidence/records.ts";
import type { TrialSummary } from "../sweep/state.ts";
import { lossOf } from "./numbers.ts";
import type { Style } from "./style.ts";

export interface Sparkline {
  readonly label: string;
  /** In any order; a loss in nats, null where training diverged. */
  readonly points: readonly { readonly log2Rate: number; readonly loss: number | null }[];
}

const bars = "▁▂▃▄▅▆▇█";
const divergedBar = "×";
const maxColumns = 40;
/** Losses beyond this many times the spread of the lower half are all the highest bar. */
const reach = 4;

/** A line per parametrization and width; a rate's loss is the mean over the seeds that did not diverge. */
export function curveSparklines({ families }: Pick<Curves, "families">): readonly Sparkline[] {
  return families.flatMap(({ parametrization, curves }) =>
    curves.map(({ width, points }) => ({
      label: `${parametrization} ${width}`,
      points: points.map(({ learning_rate: rate, losses }) => {
        const finite = losses.filter((loss) => loss !== null);
        const mean = finite.reduce((sum, loss) => sum + loss, 0) / finite.length;
        return { log2Rate: Math.log2(rate), loss: finite.length === 0 ? null : mean };
      }),
    })),
  );
}

/** One line for a sweep's trials; those that failed say nothing. */
export function trialSparkline(
  trials: readonly Pick<TrialSummary, "status" | "learningRate" | "validationLoss">[],
  label: string,
): Sparkline {
  const points = trials
    .filter(({ status, learningRate }) => status !== "failed" && learningRate > 0)
    .map(({ learningRate, validationLoss }) => ({ log2Rate: Math.log2(learningRate), loss: validationLoss }));
  return { label, points };
}

/** Where a rate's column begins: one per rate when there are few, else equal parts of the range. */
function columnsOf(lines: readonly Sparkline[]): { readonly count: number; readonly of: (log2Rate: number) => number } {
  const rates = [...new Set(lines.flatMap(({ points }) => points.map(({ log2Rate }) => log2Rate)))].sort((a, b) => a - b);
  if (rates.length <= maxColumns) return { count: rates.length, of: (log2Rate) => rates.indexOf(log2Rate) };
  const [low, high] = [rates[0], rates[rates.length - 1]];
  return {
    count: maxColumns,
    of: (log2Rate) => Math.min(maxColumns - 1, Math.floor((maxColumns * (log2Rate - low)) / (high - low))),
  };
}

/** The lines under a heading with the range of rates; nothing when no line has two rates. */
export function renderSparkline(lines: readonly Sparkline[], style: Style): string {
  const columns = columnsOf(lines);
  if (columns.count < 2) return "";
  const all = lines.flatMap(({ points }) => points.map(({ log2Rate }) => log2Rate));
  const low = all.reduce((least, rate) => Math.min(least, rate), Infinity);
  const high = all.reduce((most, rate) => Math.max(most, rate), -Infinity);
  const width = Math.max(...lines.map(({ label }) => label.length));
  const heading = style.dim(`loss over log₂ learning rate, ${exponent(low)} to ${exponent(high)}; lower is better`);
  return [heading, ...lines.map((line) => renderLine(line, columns, width, style))].join("\n");
}

const exponent = (value: number): string => String(Number(value.toFixed(2))).replace("-", "−");

function renderLine({ label, points }: Sparkline, columns: ReturnType<typeof columnsOf>, width: number, style: Style): string {
  const cells = Array<number | null | undefined>(columns.count).fill(undefined);
  for (const { log2Rate, loss } of points) {
    const column = columns.of(log2Rate);
    cells[column] = loss === null ? (cells[column] ?? null) : Math.min(loss, cells[column] ?? Infinity);
  }
  const losses = cells.filter((cell) => typeof cell === "number").sort((a, b) => a - b);
  const low = losses[0] ?? 0;
  const spread = (losses[Math.floor((losses.length - 1) / 2)] ?? 0) - low;
  const top = Math.min(losses.at(-1) ?? 0, spread > 0 ? low + reach * spread : Infinity);
  const bar = (cell: number | null | undefined): string => {
    if (cell === undefined) return " ";
    if (cell === null) return style.red(divergedBar);
    const height = top > low ? Math.min(1, (cell - low) / (top - low)) : 0;
    const drawn = bars[Math.round(height * (bars.length - 1))];
    return cell === low ? style.green(drawn) : drawn;
  };
  const best = points.reduce<Sparkline["points"][number] | undefined>(
    (found, point) => (point.loss !== null && point.loss < (found?.loss ?? Infinity) ? point : found),
    undefined,
  );
  const verdict = best === undefined ? "every rate diverged" : `best ${lossOf(best.loss)} at 2^${exponent(best.log2Rate)}`;
  return `${label.padEnd(width)}  ${cells.map(bar).join("")}  ${verdict}`;
}
