/** Learning-rate curves as text: a line per width or depth with a sparkline, and what they say of transfer. */
import type { Axis, Curves, Family, Optimum } from "../evidence/records.ts";
import { lossOf, valueOf } from "../numbers.ts";
import { textTable } from "./ranking.ts";
import { sparkline } from "./sparkline.ts";
import type { Style } from "./style.ts";

/** Drift per doubling within which an optimum counts as staying where it is. */
const steady = 0.25;

/** Mean over seeds; null where one diverged, as in the analysis. */
export const meanOf = (losses: readonly (number | null)[]): number | null =>
  losses.every((loss) => loss !== null) ? losses.reduce<number>((sum, loss) => sum + (loss ?? 0), 0) / losses.length : null;
const power = (log2: number): string => `2^${log2.toFixed(2)}`;

/** How models of different size are spoken of, by what they differ in. */
export const sizeWords: { readonly [A in Axis]: { readonly larger: string; readonly smallest: string; readonly largest: string } } = {
  width: { larger: "wider", smallest: "narrowest", largest: "widest" },
  depth: { larger: "deeper", smallest: "shallowest", largest: "deepest" },
};

/** Curves of every parametrization, as text. */
export function renderCurves({ axis, families, seeds }: Curves, style: Style): string {
  return families.map((family) => renderFamily(axis, family, seeds.length, style)).join("\n\n");
}

/** ± a standard error, if it is known. */
export const plusMinus = (error: number | null): string => (error === null ? "" : ` ± ${error.toFixed(2)}`);

function intervalOf(optimum: Optimum | null): string {
  if (optimum === null) return "–";
  const { low, high, edge } = optimum;
  const interval = low === null || high === null ? "–" : `${power(low)} to ${power(high)}`;
  return edge === null ? interval : `${interval}, at the edge`;
}

function unknownDrift(axis: Axis, curves: Family["curves"]): string {
  const edges = curves.filter(({ optimum }) => optimum?.edge != null);
  if (edges.length === 0) return `a ${axis} has no optimum`;
  const sides = [...new Set(edges.map(({ optimum }) => (optimum?.edge === "low" ? "lower" : "higher")))].join(" and ");
  return `at ${axis} ${edges.map(({ size }) => size).join(", ")} the best rate lies at the edge of the grid: try ${sides} rates`;
}

function renderFamily(axis: Axis, { parametrization, curves, drift, violations, gap }: Family, seeds: number, style: Style): string {
  const { larger, smallest, largest } = sizeWords[axis];
  const rows = curves.map(({ size, points, optimum }) => {
    const means = points.map(({ losses }) => meanOf(losses));
    return [
      String(size),
      sparkline(means),
      optimum === null ? "–" : power(optimum.log2_learning_rate),
      intervalOf(optimum),
      lossOf(optimum?.loss ?? null),
    ];
  });
  const first = curves[0].points;
  const range = `${valueOf(first[0].learning_rate)} to ${valueOf(first[first.length - 1].learning_rate)}`;
  const table = textTable([axis, "loss over rate", "best rate", "90 % interval", "loss"], rows, [true, false, true, false, true], style);
  const divergedRates = first.filter((_, index) => curves.some(({ points }) => points[index].losses.includes(null))).length;
  const isSteady = drift !== null && Math.abs(drift.per_doubling) <= steady;
  return [
    `${style.bold(parametrization)}, learning rates ${range}, ${seeds} ${seeds === 1 ? "seed" : "seeds"}`,
    table,
    drift === null
      ? `drift of the optimum: not known, ${unknownDrift(axis, curves)}`
      : `drift of the optimum: ${drift.per_doubling.toFixed(2)}${plusMinus(drift.standard_error)} octaves per doubling of the ${axis}${isSteady ? "" : style.red(` (beyond ±${steady})`)}`,
    gap === null
      ? `transfer from the ${smallest} to the ${largest}: the ${smallest} has no optimum, or it diverges at the ${largest}`
      : `keeping the ${smallest}'s best rate of the grid at the ${largest} costs ${lossOf(gap.nats)} nats${gap.seed_deviations === null ? "" : `, ${gap.seed_deviations.toFixed(1)} seed deviations`}`,
    violations.length === 0
      ? `${larger} is clearly worse (by two standard errors) at no rate`
      : `${larger} is clearly worse (by two standard errors) at ${violations.length} of ${first.length * (curves.length - 1)} places: ${violations
          .slice(0, 4)
          .map(({ smaller, larger: other, learning_rate: rate, nats }) => `${smaller} → ${other} at ${valueOf(rate)} by ${lossOf(nats)}`)
          .join(", ")}`,
    ...(divergedRates === 0
      ? []
      : [`left out of that: ${divergedRates} ${divergedRates === 1 ? "place" : "places"} where a model diverged`]),
    ...(seeds === 1 ? ["one seed: how much of this is noise is not known"] : []),
  ].join("\n");
}
