/** All trials at once: a line per trial across every hyperparameter that was searched, coloured by its loss. */
import { valueOf } from "../../numbers.ts";
import type { HyperparameterName } from "../../parametrization/roles.ts";
import { thinned } from "../../statistics.ts";
import type { Chart, Figure, Layout, Row } from "./figure.ts";
import { lossFrame, words } from "./frames.ts";
import { sampleNote, type ReportInput } from "./input.ts";
import { searchedOf } from "./scatter.ts";
import { inkOf, rampOf } from "./theme.ts";
import { endings, tipChannel, withTrials, type Status } from "./trials.ts";

const shownTrials = 400;
/** Fifths of the trials by rank, each a colour. */
const fifths = ["best fifth", "second", "third", "fourth", "worst fifth"] as const;
/** How the lines of trials are drawn that did not complete. */
const others = {
  stopped: { ink: inkOf("warn"), dash: [6, 3] },
  untrained: { ink: inkOf("control"), dash: [1, 3] },
  diverged: { ink: inkOf("diverged"), dash: [3, 3] },
} as const;
const otherGroups = Object.entries(others).map(([status, style]) => ({ name: endings[status as Status].word, ...style }));

interface Axis {
  readonly name: string;
  readonly low: number;
  readonly high: number;
  readonly isLog: boolean;
}

function positionOn({ low, high, isLog }: Axis, value: number): number {
  const share = isLog ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
  return Number.isFinite(share) ? Math.min(1, Math.max(0, share)) : 0.5;
}

/** The label of the fifth that a trial is in, by its rank among the completed. */
const fifthOf = (rank: number, count: number): string => fifths[Math.min(fifths.length - 1, Math.floor((rank * fifths.length) / count))];

/** The figure; undefined when nothing was searched or fewer than two trials completed. */
export function parallelCoordinates(input: ReportInput): Figure | undefined {
  const trials = thinned(
    input.sample.filter(({ status }) => status !== "failed"),
    shownTrials,
  );
  const completed = trials.filter(({ status }) => status === "completed");
  const searched = searchedOf(input);
  if (searched.length === 0 || completed.length < 2) return undefined;
  const axes: readonly Axis[] = searched.map(({ name, isLog }) => {
    const values = trials.flatMap(({ hyperparameters }) => hyperparameters[name as HyperparameterName] ?? []);
    return { name, low: Math.min(...values), high: Math.max(...values), isLog };
  });
  const losses = completed.flatMap(({ validation_loss: loss }) => loss ?? []);
  const frame = lossFrame(losses);
  const lossAxis: Axis = { name: "loss", low: Math.min(...losses), high: Math.min(frame.high, Math.max(...losses)), isLog: false };
  const rows = trials.flatMap((trial): readonly Row[] => {
    const group = trial.status === "completed" ? fifthOf(completed.indexOf(trial), completed.length) : endings[trial.status].word;
    const winner = trial.id === input.best?.trial && trial.seed === input.best.seed;
    const shared = { trial: trial.id, group, winner };
    return [
      ...axes.map((axis) => {
        const value = trial.hyperparameters[axis.name as HyperparameterName] ?? null;
        return { ...shared, axis: axis.name, value, position: value === null ? null : positionOn(axis, value) };
      }),
      {
        ...shared,
        axis: lossAxis.name,
        value: trial.validation_loss,
        position: trial.validation_loss === null ? 1 : positionOn(lossAxis, trial.validation_loss),
      },
    ];
  });
  return {
    name: "parallel-coordinates",
    title: "All trials at once",
    caption: `Each line is a trial and crosses every axis at its value: follow the lines that end in the lowest losses back to see which values they share. Losses are those of first runs. Colours are fifths of the trials by rank, the bold line is the winner${trials.length > completed.length ? ", broken lines are of trials that did not complete, as the legend names them" : ""}; where the colours are mixed along an axis, that hyperparameter did not decide.${sampleNote(trials.length, input.ranked.length - input.counts.failed)}`,
    rows,
    chart: (layout) => chartOf(layout, rows, [...axes, lossAxis]),
  };
}

function chartOf(layout: Layout, rows: readonly Row[], axes: readonly Axis[]): Chart {
  const isWide = layout.name === "wide";
  const [across, along] = isWide ? (["x", "y"] as const) : (["y", "x"] as const);
  const names = axes.map(({ name }) => name);
  const position = { field: "position", type: "quantitative", scale: { domain: [0, 1], nice: false }, axis: null };
  const axis = {
    field: "axis",
    type: "nominal",
    sort: names,
    title: null,
    scale: { type: "point", padding: isWide ? 0.35 : 0.4 },
    // On a phone the axes lie, and their names stand above them.
    axis: isWide ? { labelAngle: 0, labelPadding: 22, labelLimit: 150, domain: false, ticks: false, labelColor: inkOf("ink") } : null,
  };
  const place = { [across]: axis, [along]: position };
  const has = (group: string): boolean => rows.some((row) => row["group"] === group);
  const shownFifths = fifths.filter(has);
  const shownOthers = otherGroups.filter(({ name }) => has(name));
  const shown = [...shownFifths, ...shownOthers.map(({ name }) => name)];
  const color = {
    field: "group",
    type: "nominal",
    title: null,
    sort: shown,
    scale: { domain: shown, range: [...rampOf(shownFifths.length), ...shownOthers.map(({ ink }) => ink)] },
    legend: { symbolType: "stroke", symbolOpacity: 1, symbolStrokeWidth: 3, columns: isWide ? 6 : 3 },
  };
  const line = (part: readonly Row[], mark: Chart, inks: Chart = { color }): Chart => ({
    data: { values: withTrials(part) },
    mark: { type: "line", ...mark },
    encoding: {
      ...place,
      order: { field: "order", type: "quantitative" },
      detail: { field: "trial", type: "nominal" },
      ...inks,
      ...tipChannel,
    },
  });
  const ordered: readonly Row[] = rows.map((row) => ({ ...row, order: names.indexOf(String(row["axis"])) }));
  const rest = ordered.filter(({ winner }) => winner !== true);
  const opacity = rest.length / axes.length > 100 ? 0.3 : 0.65;
  const ends = axes.flatMap(({ name, low, high }) => [
    { axis: name, position: 0, text: valueOf(low) },
    { axis: name, position: 1, text: valueOf(high) },
  ]);
  const label = (end: 0 | 1, mark: Chart, field = "text"): readonly Chart[] =>
    words(
      ends.filter((each) => each.position === end),
      { color: inkOf("muted"), ...mark },
      { ...place, text: { field, type: "nominal" } },
    );
  const winner = ordered.filter(({ winner: own }) => own === true);
  return {
    width: layout.width - 32,
    height: isWide ? 320 : 100 * axes.length,
    layer: [
      {
        data: { values: ends.filter((each) => each.position === 0) },
        mark: { type: "rule", color: inkOf("muted") },
        encoding: { [across]: axis, [along]: position, [`${along}2`]: { datum: 1 } },
      },
      line(rest.filter(({ group }) => fifths.some((fifth) => fifth === group)).reverse(), { strokeWidth: 1.4, opacity }),
      ...shownOthers.map(({ name, dash }) =>
        line(
          rest.filter(({ group }) => group === name),
          { strokeWidth: 1.2, opacity, strokeDash: dash },
        ),
      ),
      line(winner, { strokeWidth: 4, opacity: 1, color: inkOf("winner") }, {}),
      ...(isWide
        ? [...label(0, { dy: 12 }), ...label(1, { dy: -9 })]
        : [
            ...label(0, { dy: 13, align: "left" }),
            ...label(1, { dy: 13, align: "right" }),
            ...label(0, { dy: -12, align: "left", fontSize: 12.5, color: inkOf("ink") }, "axis"),
          ]),
    ],
  };
}
