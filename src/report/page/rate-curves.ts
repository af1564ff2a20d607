/** Loss against learning rate, a curve per width or depth, one panel per parametrization: the figure that says whether the optimum stays put. */
import type { Axis, Curves, Family } from "../../evidence/records.ts";
import { lossOf, valueOf } from "../../numbers.ts";
import type { Parametrization } from "../../parametrization/roles.ts";
import { between, meanOf, rateNameOf, reasonOf, signed, sizeWords, verdictWords } from "../curves.ts";
import { logAxis, ticksIn } from "./axes.ts";
import type { Chart, Figure, Layout, Row, Table } from "./figure.ts";
import { boundsOf, crosses, lossAxis, lossFrame, panels, panelWidth, type Frame } from "./frames.ts";
import { lossesOf } from "./scatter.ts";
import { inkOf, rampOf } from "./theme.ts";
import { tipChannel, withTips } from "./trials.ts";

/** A rate from its exponent, in as many digits as it is known to. */
const rateOf = (log2: number): number => Number((2 ** log2).toPrecision(4));

/** Each parametrization's name as people write it, in the order of their panels: first the one that follows the most. */
const names: { readonly [P in Parametrization]: string } = { completep: "CompleteP", mup: "μP", sp_fan_in: "SP (fan-in)", sp: "SP" };
/** A parametrization's name as people write it; what is none of them as it is. */
export const parametrizationName = (name: string): string => Object.entries(names).find(([key]) => key === name)?.[1] ?? name;

const orderOf = ({ parametrization }: Family): number => Object.keys(names).indexOf(parametrization);
const inOrder = (families: readonly Family[]): readonly Family[] => [...families].sort((a, b) => orderOf(a) - orderOf(b));

function rowsOf(axis: Axis, { parametrization, curves }: Family): readonly Row[] {
  return curves.flatMap(({ size, points, optimum }) => {
    const shared = { parametrization, [axis]: size };
    const measured = points.map(({ learning_rate: rate, losses }) => {
      const finite = losses.filter((loss) => loss !== null);
      const [low, high] = finite.length === 0 ? [null, null] : [Math.min(...finite), Math.max(...finite)];
      const seeds = { seeds: losses.length, diverged: losses.length - finite.length };
      return { kind: "measured", ...shared, learning_rate: rate, loss: meanOf(losses), low, high, ...seeds, edge: null };
    });
    if (optimum === null) return measured;
    const { log2_learning_rate: log2, loss, edge } = optimum;
    const [low, high] = [optimum.low, optimum.high].map((end) => (end === null ? null : rateOf(end)));
    return [...measured, { kind: "optimum", ...shared, learning_rate: rateOf(log2), loss, low, high, seeds: null, diverged: null, edge }];
  });
}

/** What is told of a point. */
function tipOf(axis: Axis, { kind, [axis]: size, learning_rate: rate, loss, seeds }: Row): string {
  const at = `${axis} ${String(size)}, learning rate ${valueOf(Number(rate))}`;
  const mean = loss === null ? "diverged" : `${lossOf(Number(loss))} nats`;
  return kind === "optimum" ? `best at ${at}: ${mean}` : `${at}: ${mean}, ${String(seeds)} ${seeds === 1 ? "seed" : "seeds"}`;
}

function panel(
  axis: Axis,
  rows: readonly Row[],
  title: string,
  rateName: string,
  sizes: readonly number[],
  frame: Frame,
  domain: readonly [number, number],
  pixels: number,
): Chart {
  const told = withTips(rows, (row) => tipOf(axis, row));
  const measured = told.filter(({ kind }) => kind === "measured");
  const optima = told.filter(({ kind }) => kind === "optimum");
  const x = logAxis("learning_rate", rateName, domain, ticksIn(pixels));
  const y = { field: "loss", ...(lossAxis(frame, "loss, nats") as object) };
  const color = {
    field: axis,
    type: "ordinal",
    title: axis,
    scale: { domain: sizes, range: rampOf(sizes.length) },
    legend: { symbolType: "circle", symbolSize: 90, symbolOpacity: 1, columns: 6 },
  };
  const finite = measured.filter(({ loss }) => loss !== null);
  return {
    title,
    layer: [
      { data: { values: finite }, mark: { type: "line", clip: true, strokeWidth: 2 }, encoding: { x, y, color } },
      {
        data: { values: finite.filter(({ low, high }) => low !== high) },
        mark: { type: "rule", clip: true, strokeWidth: 2, opacity: 0.65 },
        encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" }, color },
      },
      { data: { values: finite }, mark: { type: "circle", clip: true, size: 34, opacity: 1 }, encoding: { x, y, color, ...tipChannel } },
      crosses(
        measured.filter(({ diverged }) => (diverged ?? 0) !== 0),
        x,
      ),
      {
        data: { values: optima.filter(({ low, high }) => low !== null && high !== null) },
        mark: { type: "rule", strokeWidth: 3.5, clip: true },
        encoding: { x: { ...(x as object), field: "low" }, x2: { field: "high" }, y, color },
      },
      {
        data: { values: optima },
        mark: { type: "point", shape: "diamond", filled: true, size: 190, opacity: 1, stroke: inkOf("ink"), strokeWidth: 1.4, clip: true },
        encoding: { x, y, fill: color, ...tipChannel },
      },
    ],
  };
}

function verdictTable(axis: Axis, families: readonly Family[]): Table {
  const { larger, smallest } = sizeWords[axis];
  return {
    head: [
      "",
      "verdict",
      "optimum moves, octaves per doubling",
      `${larger} is clearly worse at`,
      `cost of keeping the ${smallest}'s rate, nats`,
    ],
    numeric: [false, false, true, true, true],
    rows: families.map((family) => {
      const { parametrization, verdict, drift, violations, places, gap } = family;
      return [
        parametrizationName(parametrization),
        `${verdictWords[verdict]}: ${reasonOf(axis, family)}`,
        estimated(drift?.per_doubling ?? null, drift, (value) => signed(value, 2)),
        `${violations.length} of ${places} ${places === 1 ? "place" : "places"}`,
        estimated(gap?.nats ?? null, gap, (value) => signed(value, 3)),
      ];
    }),
  };
}

/** A number with its interval, as much of both as is known. */
function estimated(
  value: number | null,
  interval: { readonly low: number | null; readonly high: number | null } | null,
  show: (value: number) => string,
): string {
  const range = interval === null ? "" : between(interval.low, interval.high, show);
  if (value === null) return range || "–";
  return range === "" ? show(value) : `${show(value)} (${range})`;
}

/** Panels side by side on a wide page. */
const mostColumns = 3;

/** Loss against learning rate at every size, under every parametrization. */
export function rateCurves({ axis, hyperparameter, families: unordered, seeds }: Curves): Figure {
  const { larger, smallest, largest } = sizeWords[axis];
  const families = inOrder(unordered);
  const groups = families.map((family) => ({ family, rows: rowsOf(axis, family) }));
  const rows = groups.flatMap((group) => group.rows);
  const sizes = [...new Set(families.flatMap((family) => family.curves.map(({ size }) => size)))].sort((a, b) => a - b);
  const frame = lossFrame(lossesOf(rows));
  const domain = boundsOf(lossesOf(rows, "learning_rate"), true);
  const best = families[0]?.curves.at(-1)?.optimum;
  const at = best
    ? ` Best at the largest ${axis} under ${parametrizationName(families[0].parametrization)}: ${valueOf(rateOf(best.log2_learning_rate))}, ${lossOf(best.loss)} nats.`
    : "";
  const chart = (layout: Layout): Chart => {
    const columns = layout.name === "wide" ? Math.min(mostColumns, groups.length) : 1;
    const size = { width: panelWidth(layout, columns), height: layout.name === "wide" ? 320 : 260 };
    return panels(
      groups.map(({ family, rows: own }) => ({
        ...size,
        ...panel(axis, own, parametrizationName(family.parametrization), rateNameOf(hyperparameter), sizes, frame, domain, size.width),
      })),
      columns,
    );
  };
  return {
    name: "loss-by-learning-rate",
    title: `Loss against ${rateNameOf(hyperparameter)}, one curve per ${axis}`,
    caption: `Where each curve is lowest is that ${axis}'s best learning rate: the diamond, with its 90 % interval as a horizontal bar. Where transfer works the diamonds stand above one another and ${larger} curves lie lower, so that a rate tuned on the ${smallest} is right for the ${largest}; where it does not, they wander off. Vertical bars reach from the best to the worst of ${seeds.length} ${seeds.length === 1 ? "seed" : "seeds"}; × marks rates at which a seed diverged or learned nothing; what is above the frame is cut off.${at}`,
    rows,
    chart,
    table: verdictTable(axis, families),
  };
}
