/** The coordinate check: how the size of every activation depends on the width, under the run's parametrization and under its control. */
import type { CoordCheck, Coordinate, Verdict } from "../../evidence/records.ts";
import { logAxis } from "./axes.ts";
import type { Chart, Figure, Json, Layout, Row, Table } from "./figure.ts";
import { boundsOf, panels, panelWidth, words } from "./frames.ts";
import { parametrizationName } from "./rate-curves.ts";
import { lossesOf } from "./scatter.ts";
import { inkOf, type InkName } from "./theme.ts";
import { tipChannel, withTips } from "./trials.ts";

const inkOfVerdict: { readonly [K in Verdict]: InkName } = { PASS: "pass", WARN: "warn", FAIL: "fail", INCONCLUSIVE: "unsure" };
const severity: { readonly [K in Verdict]: number } = { FAIL: 0, WARN: 1, INCONCLUSIVE: 2, PASS: 3 };
const statistics = { size: "size, mean |x|", update: "update, rms(x − x₀)" } as const;

/** Rows of the table in the page; all are in the files. */
const shownRows = 40;
/** Lines that are named in the chart. */
const namedLines = 3;

/** Coordinates of the last step that has any. */
function atLastStep(coordinates: readonly Coordinate[]): readonly Coordinate[] {
  const last = coordinates.reduce((step, each) => Math.max(step, each.step), 0);
  return coordinates.filter(({ step, regime }) => step === last && regime === "adam");
}

/** One row per tensor, statistic and size; `log2_ratio` is against the smallest size. */
function rowsOf(coordinates: readonly Coordinate[], sizes: readonly number[], side: string): readonly Row[] {
  return coordinates.flatMap((each) => {
    const base = each.means[0] ?? null;
    return sizes.map((size, index) => {
      const mean = each.means[index] ?? null;
      const isSound = mean !== null && base !== null && mean > 0 && base > 0;
      return {
        side,
        tensor: each.tensor,
        statistic: each.statistic,
        step: each.step,
        size,
        mean,
        standard_error: each.standard_errors[index] ?? null,
        log2_ratio: isSound ? Math.log2(mean / base) : null,
        slope: each.slope,
        slope_standard_error: each.slope_standard_error,
        verdict: each.verdict,
      };
    });
  });
}

/** The tensors' names at the ends of their lines, `dy` pixels lower. */
const nameLines = (ends: readonly Row[], dy: number, x: Json, y: Json): readonly Chart[] =>
  words(ends, { align: "right", dx: 4, dy, limit: 220, color: inkOf("ink") }, { x, y, text: { field: "tensor", type: "nominal" } });

/** What is told of a line, whichever of its points is under the pointer. */
const tipOf = ({ tensor, statistic, slope, verdict }: Row): string =>
  `${String(tensor)}, ${String(statistic)}: slope ${slope === null ? "unknown" : Number(slope).toFixed(2)}, ${String(verdict)}`;

function panel(rows: readonly Row[], title: string, x: Json, domain: readonly [number, number], isControl: boolean): Chart {
  const finite = rows.filter((row) => row["log2_ratio"] !== null);
  const y = {
    field: "log2_ratio",
    type: "quantitative",
    title: "log₂ of ratio",
    scale: { domain, nice: false, zero: false },
    axis: { tickCount: 5 },
  };
  const verdicts = Object.keys(inkOfVerdict) as Verdict[];
  const color = isControl
    ? { value: inkOf("control") }
    : {
        field: "verdict",
        type: "nominal",
        title: "verdict",
        scale: { domain: verdicts, range: verdicts.map((verdict) => inkOf(inkOfVerdict[verdict])) },
        legend: { symbolType: "circle", symbolOpacity: 1, symbolSize: 90, columns: 4 },
      };
  const last = Math.max(...lossesOf(rows, "size"));
  const bad = finite
    .filter(({ size, verdict }) => size === last && (verdict === "FAIL" || verdict === "WARN"))
    .sort((a, b) => Math.abs(Number(b["slope"])) - Math.abs(Number(a["slope"])));
  return {
    title: { text: title, fontSize: 13 },
    layer: [
      {
        data: { values: [{ zero: 0 }] },
        mark: { type: "rule", color: inkOf("muted"), strokeDash: [4, 4] },
        encoding: { y: { ...y, field: "zero" } },
      },
      {
        data: { values: withTips(finite, tipOf) },
        mark: { type: "line", strokeWidth: 1.8, opacity: 0.8, point: { size: 26, opacity: 0.9 } },
        encoding: { x, y, detail: { field: "tensor", type: "nominal" }, color, ...tipChannel },
      },
      ...(isControl
        ? []
        : [
            ...nameLines(
              bad.slice(0, namedLines).filter(({ log2_ratio: at }) => Number(at) >= 0),
              -12,
              x,
              y,
            ),
            ...nameLines(
              bad.slice(0, namedLines).filter(({ log2_ratio: at }) => Number(at) < 0),
              14,
              x,
              y,
            ),
          ]),
    ],
  };
}

function verdictTable(own: readonly Coordinate[], control: readonly Coordinate[]): Table {
  const slopeOf = ({ slope, slope_standard_error: error }: Coordinate): string =>
    slope === null ? "–" : `${slope.toFixed(2).replace("-", "−")}${error === null ? "" : ` ± ${error.toFixed(2)}`}`;
  const controls = new Map(control.map((each) => [`${each.tensor} ${each.statistic}`, each]));
  const ordered = [...own].sort((a, b) => severity[a.verdict] - severity[b.verdict]);
  const rows = ordered.slice(0, shownRows).map((each) => {
    const other = controls.get(`${each.tensor} ${each.statistic}`);
    return [each.tensor, each.statistic, slopeOf(each), other === undefined ? "–" : slopeOf(other), each.verdict, each.note ?? ""];
  });
  const more = ordered.length > shownRows ? [[`… and ${ordered.length - shownRows} more in the CSV`, "", "", "", "", ""]] : [];
  return {
    head: ["tensor", "statistic", "slope", "control", "verdict", ""],
    numeric: [false, false, true, true, false, false],
    rows: [...rows, ...more],
  };
}

/** The control that is drawn: the one that was trained as long as the check's models. */
function drawnControl({ axis, control }: CoordCheck): { readonly name: string; readonly coordinates: readonly Coordinate[] } {
  const last = atLastStep(control);
  const without = last.length === 0 ? undefined : last[last.length - 1].without;
  const coordinates = last.filter((each) => each.without === without);
  if (without !== undefined) return { name: `the same without rules for ${without}`, coordinates };
  return { name: axis === "width" ? "SP" : "the same without rules for depth", coordinates };
}

/** The figure of a coordinate check. */
export function coordinateCheck(check: CoordCheck): Figure {
  const { axis, sizes } = check;
  const own = atLastStep(check.coordinates);
  const { name: controlName, coordinates: control } = drawnControl(check);
  const name = parametrizationName(check.parametrization);
  const controlSide = `control: ${controlName}`;
  const rows = [...rowsOf(own, sizes, name), ...rowsOf(control, sizes, controlSide)];
  const x = logAxis("size", axis, boundsOf(sizes, true), sizes.length, sizes);
  const sides = [name, ...(control.length > 0 ? [controlSide] : [])];
  const shown = (["size", "update"] as const).filter((statistic) => own.some((each) => each.statistic === statistic));
  const [low, high] = boundsOf([...lossesOf(rows, "log2_ratio"), -0.5, 0.5]);
  const domain = [low - 0.12 * (high - low), high + 0.06 * (high - low)] as const;
  const chart = (layout: Layout): Chart => {
    const columns = layout.name === "wide" ? sides.length : 1;
    const size = { width: panelWidth(layout, columns), height: layout.name === "wide" ? 220 : 190 };
    return panels(
      shown.flatMap((statistic) =>
        sides.map((side) => {
          const of = rows.filter((row) => row["side"] === side && row["statistic"] === statistic);
          return { ...size, ...panel(of, `${side}: ${statistics[statistic]}`, x, domain, side !== name) };
        }),
      ),
      columns,
    );
  };
  return {
    name: "coordinate-check",
    title: `Coordinate check: ${check.verdict}`,
    caption: `Each line is one activation of the network after step ${own[0]?.step ?? 0}: how large it is (size) or how far training has moved it (update), in octaves relative to the smallest ${axis}, against the ${axis} on a logarithmic axis. Where the rules are right lines stay near the dashed zero; a line that climbs blows up as the model grows, one that falls dies out. The control, ${controlName}, must not be flat: it shows that the check can fail. Verdict: ${check.reason}`,
    rows,
    chart,
    table: verdictTable(own, control),
  };
}
