/**
 * A coordinate check as text: slopes of every tensor as a table, one line for each
 * regime and for the control, and the verdict.
 */
import type { CoordCheck, Coordinate, Verdict } from "../evidence/records.ts";
import { valueOf } from "../numbers.ts";
import type { Style } from "./style.ts";
import { textTable } from "./text-table.ts";
import { wrapped } from "./text.ts";

const marks: { readonly [V in Verdict]: string } = { PASS: " ", WARN: "?", FAIL: "!", INCONCLUSIVE: "~" };

const signed = (value: number): string => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;

function paint(verdict: Verdict, text: string, style: Style): string {
  if (verdict === "FAIL") return style.red(text);
  return verdict === "PASS" ? text : style.bold(text);
}

function cell(coordinate: Coordinate | undefined, style: Style): string {
  if (coordinate === undefined) return "";
  const { slope, slope_standard_error: error, verdict } = coordinate;
  if (slope === null) return verdict === "PASS" ? style.dim("0 ") : paint(verdict, `–${marks[verdict]}`, style);
  return paint(verdict, `${signed(slope)} ±${(error ?? 0).toFixed(2)}${marks[verdict]}`, style);
}

const unique = <T>(values: readonly T[]): readonly T[] => [...new Set(values)];

function slopesTable(coordinates: readonly Coordinate[], style: Style): string {
  const columns = unique(coordinates.map(({ statistic, step }) => `${statistic} ${step}`));
  const rows = unique(coordinates.map(({ tensor }) => tensor)).map((tensor) => [
    tensor,
    ...columns.map((column) =>
      cell(
        coordinates.find((each) => each.tensor === tensor && `${each.statistic} ${each.step}` === column),
        style,
      ),
    ),
  ]);
  // The last step of each statistic tells most.
  const last = new Map(coordinates.map(({ statistic, step }) => [statistic, `${statistic} ${step}`]));
  const drop = columns.filter((column) => ![...last.values()].includes(column));
  return textTable(["tensor", ...columns], rows, [false, ...columns.map(() => true)], style, { drop, elsewhere: "--json" });
}

function steepestLine(title: string, coordinates: readonly Coordinate[]): string {
  const steepness = ({ slope }: Coordinate): number => Math.abs(slope ?? 0);
  const steepest = coordinates.reduce((best, each) => (steepness(each) > steepness(best) ? each : best));
  const { tensor, statistic, step, slope } = steepest;
  return `${title}: the steepest of ${coordinates.length} slopes is ${signed(slope ?? 0)}, ${tensor}'s ${statistic} at step ${step}`;
}

/** One line for each quantity whose rules a control breaks; version 1 of the record had a single control. */
const controlLines = (control: readonly Coordinate[]): readonly string[] =>
  unique(control.map(({ without }) => without)).map((quantity) =>
    steepestLine(
      quantity === undefined ? "control" : `control without the rules for ${quantity}`,
      control.filter(({ without }) => without === quantity),
    ),
  );

const titles = { epsilon: "with an ε above the gradients", decay: "with a strong weight decay" } as const;

const ratesText = ({ learning_rate: rate, muon_learning_rate: muon }: CoordCheck): string =>
  `learning rate ${valueOf(rate)}${muon === undefined ? "" : `, ${valueOf(muon)} with Muon`}`;

/** A coordinate check as text. */
export function renderCoordCheck(check: CoordCheck, style: Style): string {
  const { axis, sizes, seeds, steps, coordinates, control, verdict, reason } = check;
  const of = (regime: string): readonly Coordinate[] => coordinates.filter((each) => each.regime === regime);
  const verdictText = verdict === "PASS" ? style.green(verdict) : verdict === "FAIL" ? style.red(verdict) : style.bold(verdict);
  const lines = [
    `${style.bold(check.name)}: ${check.parametrization}, ${axis}s ${sizes.join(", ")}, ${seeds} seeds, ${steps} steps at ${ratesText(check)}`,
    `slopes of log size (mean |x|) and log update (rms of x − x₀) over log ${axis}, ± standard error, at the steps named; ! steep, ? not surely flat`,
    "",
    slopesTable(of("adam"), style),
    "",
    ...(["epsilon", "decay"] as const).map((regime) => steepestLine(titles[regime], of(regime))),
    ...controlLines(control),
    "",
    `${verdictText} ${reason}`,
  ];
  return wrapped(lines.join("\n"), style.columns);
}
