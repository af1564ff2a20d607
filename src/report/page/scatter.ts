/**
 * Loss against a hyperparameter, a point per trial: for the learning rate when no
 * curves were measured, and a slice for every hyperparameter that was searched.
 */
import { valueOf } from "../../numbers.ts";
import type { HyperparameterName } from "../../parametrization/roles.ts";
import type { CompleteSpec } from "../../spec/complete.ts";
import { rateNames, rateWord } from "../rates.ts";
import { thinned } from "../../statistics.ts";
import { logAxis, ticksIn } from "./axes.ts";
import type { Chart, Figure, Json, Layout, Row } from "./figure.ts";
import { bestRateText } from "./findings.ts";
import { beyondMarks, boundsOf, crosses, lossAxis, panels, panelWidth, squares, trialFrame, type Frame } from "./frames.ts";
import { sampleNote, type ReportInput } from "./input.ts";
import { inkOf } from "./theme.ts";
import { meansOf, tipChannel, withTrials } from "./trials.ts";

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

function rowsOf(input: ReportInput, { name }: Searched, count: number): readonly Row[] {
  const { sample, best } = input;
  const means = meansOf(input);
  return thinned(sample, count).flatMap((trial) => {
    const value = trial.hyperparameters[name as HyperparameterName];
    const { mean = null, standardError = null, seeds = null } = means.get(trial.id) ?? {};
    return value === undefined
      ? []
      : [
          {
            ...{ trial: trial.id, hyperparameter: name, value, loss: trial.validation_loss },
            ...{ mean, standard_error: standardError, seeds, status: trial.status },
            winner: trial.id === best?.trial && trial.seed === best.seed,
          },
        ];
  });
}

/** The losses in some rows. */
export const lossesOf = (rows: readonly Row[], key = "loss"): readonly number[] =>
  rows.flatMap(({ [key]: loss }) => (typeof loss === "number" ? loss : []));

/** The loss that a trial is shown at: its mean over fresh seeds, or else its first run's. */
const shownLoss = ({ mean, loss, status }: Row): number | null => {
  const shown = mean ?? loss;
  return (status === "completed" || status === "stopped") && typeof shown === "number" ? shown : null;
};

/** A trial where it is shown, with one standard error on each side where there is one. */
function placed(row: Row): Row {
  const shown = shownLoss(row);
  const error = row["mean"] === null ? 0 : Number(row["standard_error"] ?? 0);
  return { ...row, shown, from: (shown ?? 0) - error, to: (shown ?? 0) + error };
}

interface Panel {
  readonly rows: readonly Row[];
  readonly frame: Frame;
  readonly x: Json;
  readonly yTitle: string;
  readonly width: number;
  readonly height: number;
  readonly title?: string;
  /** What lies behind the points. */
  readonly behind?: readonly Chart[];
}

function panel({ rows, frame, x, yTitle, width, height, title, behind = [] }: Panel): Chart {
  const all = withTrials(rows.map(placed));
  const within = all.filter(({ shown }) => typeof shown === "number" && shown <= frame.high);
  const beyond = all.filter(({ shown }) => typeof shown === "number" && shown > frame.high);
  const y = { field: "shown", ...(lossAxis(frame, yTitle) as object) };
  const isConfirmed = ({ mean }: Row): boolean => mean !== null;
  const first = within.filter((row) => row["winner"] !== true && !isConfirmed(row));
  const layer = (values: readonly Row[], mark: Chart, encoding: Chart = { x, y }): Chart => ({
    data: { values },
    mark,
    encoding: { ...encoding, ...tipChannel },
  });
  const opacity = all.length > 300 ? 0.35 : 0.75;
  return {
    width,
    height,
    ...(title !== undefined && { title: { text: title, fontSize: 13 } }),
    layer: [
      ...behind,
      layer(
        first.filter(({ status }) => status === "completed"),
        { type: "circle", size: 46, color: inkOf("trial"), opacity },
      ),
      layer(
        first.filter(({ status }) => status === "stopped"),
        { type: "point", size: 40, stroke: inkOf("trial"), strokeWidth: 1.5, opacity },
      ),
      beyondMarks(beyond, x),
      crosses(
        all.filter(({ status }) => status === "diverged"),
        x,
      ),
      squares(
        all.filter(({ status }) => status === "untrained"),
        x,
      ),
      layer(
        within.filter((row) => isConfirmed(row) && row["from"] !== row["to"]),
        { type: "rule", color: inkOf("ink"), strokeWidth: 1.6, clip: true },
        { x, y: { ...y, field: "from" }, y2: { field: "to" } },
      ),
      layer(
        within.filter((row) => isConfirmed(row) && row["winner"] !== true),
        { type: "circle", size: 80, color: inkOf("trial"), opacity: 1, stroke: inkOf("ink"), strokeWidth: 1.4 },
      ),
      layer(
        within.filter(({ winner }) => winner === true),
        { type: "point", shape: "diamond", filled: true, size: 170, color: inkOf("winner"), opacity: 1 },
      ),
    ],
  };
}

function legend({ confirmed }: ReportInput): string {
  const means =
    confirmed.length === 0
      ? ""
      : " Trials that were confirmed are ringed and stand at the mean over their fresh seeds, with one standard error on either side; so does the winner.";
  return `Each point is a trial, lower is better: ● one that completed, ○ one that was stopped early, at its last loss; the diamond is the winner, × a trial that diverged, □ one that learned nothing, △ a loss beyond the frame.${means}`;
}

/** The interval of the best learning rate as a band, and the best as a line; nothing before it is known. */
function rateBand({ analysis }: ReportInput, x: Json, [least, most]: readonly [number, number]): readonly Chart[] {
  const optimum = analysis?.optimum;
  if (optimum == null) return [];
  const within = (rate: number): number => Math.min(most, Math.max(least, rate));
  const values = [{ low: within(optimum.low), high: within(optimum.high), best: within(optimum.learning_rate) }];
  const at = (field: string): Json => ({ ...(x as object), field });
  return [
    {
      data: { values },
      mark: { type: "rect", color: inkOf("winner"), opacity: 0.1 },
      encoding: { x: at("low"), x2: { field: "high" } },
    },
    { data: { values }, mark: { type: "rule", color: inkOf("winner"), strokeDash: [4, 4], opacity: 0.8 }, encoding: { x: at("best") } },
  ];
}

/** Loss against learning rate; nothing when all trials share one rate. */
export function rateScatter(input: ReportInput): Figure | undefined {
  const searched = searchedOf(input);
  const rate = rateNames.flatMap((each) => searched.find(({ name }) => name === each) ?? []).at(0);
  if (rate === undefined) return undefined;
  const name = rate.name as (typeof rateNames)[number];
  const word = rateWord(name);
  const rows = rowsOf(input, rate, input.sample.length).filter(({ value }) => Number(value) > 0);
  const frame = trialFrame(rows, shownLoss);
  const domain = boundsOf(lossesOf(rows, "value"), true);
  const winner = input.best?.hyperparameters[name];
  const at = winner === undefined ? "" : ` The winner's ${word} is ${valueOf(winner)}.`;
  const band = input.analysis?.optimum == null ? "" : ` The band: ${bestRateText(input.analysis)}`;
  return {
    name: "loss-by-learning-rate",
    title: `Loss against ${word}`,
    caption: `Validation loss of the proxies against their ${word}, on a logarithmic axis. ${legend(input)} A good search shows a valley with points on both sides of its floor; the other hyperparameters differ between points too, which is why they scatter.${at}${band}${sampleNote(rows.length, input.ranked.length)}`,
    rows,
    chart: (layout) => {
      const width = panelWidth(layout);
      const x = logAxis("value", word, domain, ticksIn(width));
      const height = layout.name === "wide" ? 320 : 260;
      return panel({ rows, frame, x, yTitle: "validation loss, nats", width, height, behind: rateBand(input, x, domain) });
    },
  };
}

function valueAxis(rows: readonly Row[], { isLog, values }: Searched, pixels: number): Json {
  const domain = boundsOf(lossesOf(rows, "value"), isLog);
  if (isLog) return logAxis("value", null, domain, ticksIn(pixels), values);
  return {
    field: "value",
    type: "quantitative",
    title: null,
    scale: { domain, nice: false, type: "linear", zero: false },
    axis: { format: "~r", tickCount: 5, ...(values && { values }) },
  };
}

const sliceColumns = (layout: Layout, count: number): number => (layout.name === "narrow" ? 1 : Math.min(3, count));

/** A panel per hyperparameter that was searched. */
export function slices(input: ReportInput): Figure | undefined {
  const searched = searchedOf(input);
  if (searched.length === 0) return undefined;
  const each = Math.max(200, Math.floor(input.sample.length / searched.length));
  const groups = searched.map((one) => ({ one, rows: rowsOf(input, one, each) }));
  const frame = trialFrame(groups[0].rows, shownLoss);
  const chart = (layout: Layout): Chart => {
    const columns = sliceColumns(layout, groups.length);
    const height = layout.name === "wide" ? 200 : 170;
    const width = panelWidth(layout, columns);
    return panels(
      groups.map(({ one, rows }, index) => {
        const title = one.isLog ? `${one.name} (log scale)` : one.name;
        const yTitle = index % columns === 0 ? "validation loss, nats" : "";
        return panel({ rows, frame, x: valueAxis(rows, one, width), yTitle, width, height, title });
      }),
      columns,
    );
  };
  return {
    name: "slices",
    title: "One slice per hyperparameter",
    caption: `The same trials against each hyperparameter that was searched, values as stated at the base width. ${legend(input)} Where the low points form a valley, the hyperparameter matters and its best value lies inside the range; a flat floor says that it hardly matters, a floor that falls towards an edge that the range should be wider.${sampleNote(groups[0].rows.length, input.ranked.length)}`,
    rows: groups.flatMap(({ rows }) => rows),
    chart,
  };
}
