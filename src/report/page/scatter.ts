/**
 * Loss against a hyperparameter, a point per trial: for the learning rate when no
 * curves were measured, and a slice for every hyperparameter that was searched.
 */
import { valueOf } from "../../numbers.ts";
import type { HyperparameterName } from "../../parametrization/roles.ts";
import type { CompleteSpec } from "../../spec/complete.ts";
import { thinned } from "../../statistics.ts";
import type { Chart, Figure, Json, Layout, Row } from "./figure.ts";
import { beyondMarks, boundsOf, crosses, exponentAxis, lossAxis, lossFrame, panels, panelWidth, powerOfTwo, type Frame } from "./frames.ts";
import { sampleNote, type ReportInput } from "./input.ts";
import { inkOf } from "./theme.ts";

/** A hyperparameter that was searched, and how its axis is drawn. */
export interface Searched {
  readonly name: string;
  readonly isLog: boolean;
  /** All values there are, when they were listed. */
  readonly values?: readonly number[];
}

/** A ratio of bounds from which on a list of values is shown on a logarithmic axis. */
const wideRatio = 8;

/** The hyperparameters that were searched; without a spec, those that differ between trials. */
export function searchedOf({ spec, sample }: Pick<ReportInput, "spec" | "sample">): readonly Searched[] {
  const parameters: Partial<CompleteSpec["search"]["parameters"]> = spec?.search.parameters ?? {};
  const names = spec === undefined ? Object.keys(sample[0]?.hyperparameters ?? {}) : Object.keys(parameters);
  return names.flatMap((name) => {
    const domain = parameters[name as keyof typeof parameters];
    if (domain !== undefined && "value" in domain) return [];
    const tried = sample.flatMap(({ hyperparameters }) => hyperparameters[name as HyperparameterName] ?? []);
    if (new Set(tried).size < 2) return [];
    const [low, high] = boundsOf(tried);
    const isPositive = tried.every((value) => value > 0);
    const isWide = Math.max(...tried) / Math.min(...tried) >= wideRatio && low < high;
    const isLog = domain !== undefined && "distribution" in domain ? domain.distribution === "log_uniform" : isWide;
    return [{ name, isLog: isLog && isPositive, ...(domain !== undefined && "values" in domain && { values: domain.values }) }];
  });
}

function rowsOf({ sample, best }: ReportInput, { name }: Searched, count: number): readonly Row[] {
  return thinned(sample, count).flatMap((trial) => {
    const value = trial.hyperparameters[name as HyperparameterName];
    return value === undefined
      ? []
      : [
          {
            trial: trial.id,
            hyperparameter: name,
            value,
            log2_value: value > 0 ? Math.log2(value) : null,
            loss: trial.validation_loss,
            status: trial.status,
            winner: trial.id === best?.trial && trial.seed === best.seed,
          },
        ];
  });
}

/** The losses in some rows. */
export const lossesOf = (rows: readonly Row[], key = "loss"): readonly number[] =>
  rows.flatMap(({ [key]: loss }) => (typeof loss === "number" ? loss : []));

function panel(rows: readonly Row[], frame: Frame, x: Json, yTitle: string, width: number, height: number, title?: string): Chart {
  const completed = rows.filter(({ status }) => status === "completed");
  const isBeyond = ({ loss }: Row): boolean => typeof loss === "number" && loss > frame.high;
  const y = { field: "loss", ...(lossAxis(frame, yTitle) as object) };
  return {
    width,
    height,
    ...(title !== undefined && { title: { text: title, fontSize: 13 } }),
    layer: [
      {
        data: { values: completed.filter((row) => !isBeyond(row) && row["winner"] !== true) },
        mark: { type: "circle", size: 46, color: inkOf("trial"), opacity: completed.length > 300 ? 0.35 : 0.75 },
        encoding: { x, y },
      },
      beyondMarks(completed.filter(isBeyond), x),
      crosses(
        rows.filter(({ status }) => status === "diverged" || status === "untrained"),
        x,
      ),
      {
        data: { values: completed.filter(({ winner }) => winner === true) },
        mark: { type: "point", shape: "diamond", filled: true, size: 170, color: inkOf("winner"), opacity: 1 },
        encoding: { x, y },
      },
    ],
  };
}

const legend =
  "Each point is a trial, lower is better; the diamond is the winner, × a trial that diverged or learned nothing, △ a loss beyond the frame.";

/** Loss against log2 learning rate; nothing when all trials share one rate. */
export function rateScatter(input: ReportInput): Figure | undefined {
  const rate = searchedOf(input).find(({ name }) => name === "learning_rate");
  if (rate === undefined) return undefined;
  const rows = rowsOf(input, rate, input.sample.length);
  const frame = lossFrame(lossesOf(rows));
  const x = exponentAxis("log2_value", "log₂ learning rate", boundsOf(lossesOf(rows, "log2_value")));
  const winner = input.best?.hyperparameters["learning_rate"];
  const at = winner === undefined ? "" : ` The winner's learning rate is ${valueOf(winner)}, ${powerOfTwo(Math.log2(winner))}.`;
  return {
    name: "loss-by-learning-rate",
    title: "Loss against learning rate",
    caption: `Validation loss of the proxies against the base-2 logarithm of their learning rate. ${legend} A good search shows a valley with points on both sides of its floor; the other hyperparameters differ between points too, which is why they scatter.${at}${sampleNote(rows.length, input.ranked.length)}`,
    rows,
    chart: (layout) => panel(rows, frame, x, "validation loss, nats", panelWidth(layout), layout.name === "wide" ? 320 : 260),
  };
}

const valueAxis = (rows: readonly Row[], { isLog, values }: Searched): Json => ({
  field: "value",
  type: "quantitative",
  title: null,
  scale: { domain: boundsOf(lossesOf(rows, "value"), isLog), nice: false, ...(isLog ? { type: "log" } : { type: "linear", zero: false }) },
  axis: { format: "~g", tickCount: 5, ...(values && { values }) },
});

const sliceColumns = (layout: Layout, count: number): number => (layout.name === "narrow" ? 1 : Math.min(3, count));

/** A panel per hyperparameter that was searched. */
export function slices(input: ReportInput): Figure | undefined {
  const searched = searchedOf(input);
  if (searched.length === 0) return undefined;
  const each = Math.max(200, Math.floor(input.sample.length / searched.length));
  const groups = searched.map((one) => ({ one, rows: rowsOf(input, one, each) }));
  const frame = lossFrame(lossesOf(groups[0].rows));
  const chart = (layout: Layout): Chart => {
    const columns = sliceColumns(layout, groups.length);
    const height = layout.name === "wide" ? 200 : 170;
    return panels(
      groups.map(({ one, rows }, index) => {
        const title = one.isLog ? `${one.name} (log scale)` : one.name;
        const yTitle = index % columns === 0 ? "validation loss, nats" : "";
        return panel(rows, frame, valueAxis(rows, one), yTitle, panelWidth(layout, columns), height, title);
      }),
      columns,
    );
  };
  return {
    name: "slices",
    title: "One slice per hyperparameter",
    caption: `The same trials against each hyperparameter that was searched, values as stated at the base width. ${legend} Where the low points form a valley, the hyperparameter matters and its best value lies inside the range; a flat floor says that it hardly matters, a floor that falls towards an edge that the range should be wider.${sampleNote(groups[0].rows.length, input.ranked.length)}`,
    rows: groups.flatMap(({ rows }) => rows),
    chart,
  };
}
