/** Loss against log2 learning rate, a curve per width or depth, one panel per parametrization: the figure that says whether the optimum stays put. */
import type { Axis, Curves, Family } from "../../evidence/records.ts";
import { lossOf } from "../../numbers.ts";
import { meanOf, plusMinus, sizeWords } from "../curves.ts";
import type { Chart, Figure, Layout, Row, Table } from "./figure.ts";
import { boundsOf, crosses, exponentAxis, lossAxis, lossFrame, panels, panelWidth, powerOfTwo, type Frame } from "./frames.ts";
import { lossesOf } from "./scatter.ts";
import { inkOf, rampOf } from "./theme.ts";

/** Each parametrization's name as people write it. */
export const parametrizationName = (name: string): string => ({ mup: "μP", sp: "SP", completep: "CompleteP" })[name] ?? name;

/** Parametrizations in the order of their panels: first the one that follows the most, whatever the file's order. */
const orderOf = ({ parametrization }: Family): number => ["completep", "mup", "sp"].indexOf(parametrization);
const inOrder = (families: readonly Family[]): readonly Family[] => [...families].sort((a, b) => orderOf(a) - orderOf(b));

function rowsOf(axis: Axis, { parametrization, curves }: Family): readonly Row[] {
  return curves.flatMap(({ size, points, optimum }) => {
    const shared = { parametrization, [axis]: size };
    const measured = points.map(({ learning_rate: rate, losses }) => {
      const finite = losses.filter((loss) => loss !== null);
      const [low, high] = finite.length === 0 ? [null, null] : [Math.min(...finite), Math.max(...finite)];
      const seeds = { seeds: losses.length, diverged: losses.length - finite.length };
      return { kind: "measured", ...shared, log2_learning_rate: Math.log2(rate), loss: meanOf(losses), low, high, ...seeds, edge: null };
    });
    if (optimum === null) return measured;
    const { log2_learning_rate, low, high, loss, edge } = optimum;
    return [...measured, { kind: "optimum", ...shared, log2_learning_rate, loss, low, high, seeds: null, diverged: null, edge }];
  });
}

function panel(
  axis: Axis,
  rows: readonly Row[],
  title: string,
  sizes: readonly number[],
  frame: Frame,
  domain: readonly [number, number],
): Chart {
  const measured = rows.filter(({ kind }) => kind === "measured");
  const optima = rows.filter(({ kind }) => kind === "optimum");
  const x = exponentAxis("log2_learning_rate", "log₂ learning rate", domain);
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
      { data: { values: finite }, mark: { type: "circle", clip: true, size: 34, opacity: 1 }, encoding: { x, y, color } },
      crosses(
        measured.filter(({ diverged }) => (diverged ?? 0) !== 0),
        x,
      ),
      {
        data: { values: optima.filter(({ low }) => low !== null) },
        mark: { type: "rule", strokeWidth: 3.5, clip: true },
        encoding: { x: { ...(x as object), field: "low" }, x2: { field: "high" }, y, color },
      },
      {
        data: { values: optima },
        mark: { type: "point", shape: "diamond", filled: true, size: 190, opacity: 1, stroke: inkOf("ink"), strokeWidth: 1.4, clip: true },
        encoding: { x, y, fill: color },
      },
    ],
  };
}

function driftTable(axis: Axis, families: readonly Family[]): Table {
  const { larger, smallest } = sizeWords[axis];
  const signed = (value: number, digits: number): string => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(digits);
  return {
    head: ["", "optimum moves, log₂ per doubling", `${larger} is clearly worse at`, `loss of keeping the ${smallest} model's optimum`],
    numeric: [false, true, true, true],
    rows: families.map(({ parametrization, drift, violations, gap }) => [
      parametrizationName(parametrization),
      drift === null ? "–" : `${signed(drift.per_doubling, 2)}${plusMinus(drift.standard_error)}`,
      violations.length === 0 ? "no rate" : `${violations.length} rate${violations.length === 1 ? "" : "s"}`,
      gap === null
        ? "–"
        : `${signed(gap.nats, 4)} nats${gap.seed_deviations === null ? "" : ` (${gap.seed_deviations.toFixed(1)} seed deviations)`}`,
    ]),
  };
}

/** Loss against learning rate at every size, under every parametrization. */
export function rateCurves({ axis, families: unordered, seeds }: Curves): Figure {
  const { larger, smallest, largest } = sizeWords[axis];
  const families = inOrder(unordered);
  const groups = families.map((family) => ({ family, rows: rowsOf(axis, family) }));
  const rows = groups.flatMap((group) => group.rows);
  const sizes = [...new Set(families.flatMap((family) => family.curves.map(({ size }) => size)))].sort((a, b) => a - b);
  const frame = lossFrame(lossesOf(rows));
  const domain = boundsOf(lossesOf(rows, "log2_learning_rate"));
  const best = families[0]?.curves.at(-1)?.optimum;
  const at = best
    ? ` Best at the largest ${axis} under ${parametrizationName(families[0].parametrization)}: ${powerOfTwo(best.log2_learning_rate)}, ${lossOf(best.loss)} nats.`
    : "";
  const chart = (layout: Layout): Chart => {
    const columns = layout.name === "wide" ? Math.min(2, groups.length) : 1;
    const size = { width: panelWidth(layout, columns), height: layout.name === "wide" ? 320 : 260 };
    return panels(
      groups.map(({ family, rows: own }) => ({
        ...size,
        ...panel(axis, own, parametrizationName(family.parametrization), sizes, frame, domain),
      })),
      columns,
    );
  };
  return {
    name: "loss-by-learning-rate",
    title: `Loss against learning rate, one curve per ${axis}`,
    caption: `Where each curve is lowest is that ${axis}'s best learning rate: the diamond, with its 90 % interval as a horizontal bar. Where transfer works the diamonds stand above one another and ${larger} curves lie lower, so that a rate tuned on the ${smallest} is right for the ${largest}; where it does not, they wander off. Vertical bars reach from the best to the worst of ${seeds.length} ${seeds.length === 1 ? "seed" : "seeds"}; × marks rates at which a seed diverged; what is above the frame is cut off.${at}`,
    rows,
    chart,
    table: driftTable(axis, families),
  };
}
