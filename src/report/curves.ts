/** Learning-rate curves as text: a line per width or depth with a sparkline, what they say of transfer, and the verdict in one word. */
import type { Axis, Curves, Family, Missing, Optimum, TransferVerdict } from "../evidence/records.ts";
import { lossOf, valueOf } from "../numbers.ts";
import { sparkline } from "./sparkline.ts";
import type { Style } from "./style.ts";
import { textTable } from "./text-table.ts";
import { wrapped } from "./text.ts";

/** Mean over seeds; null where one diverged, as in the analysis. */
export const meanOf = (losses: readonly (number | null)[]): number | null =>
  losses.every((loss) => loss !== null) ? losses.reduce<number>((sum, loss) => sum + (loss ?? 0), 0) / losses.length : null;
const power = (log2: number): string => `2^${log2.toFixed(2)}`;

/** How models of different size are spoken of, by what they differ in. */
export const sizeWords: { readonly [A in Axis]: { readonly larger: string; readonly smallest: string; readonly largest: string } } = {
  width: { larger: "wider", smallest: "narrowest", largest: "widest" },
  depth: { larger: "deeper", smallest: "shallowest", largest: "deepest" },
};

/** Verdicts as people read them. */
export const verdictWords: { readonly [V in TransferVerdict]: string } = {
  TRANSFERS: "TRANSFERS",
  DOES_NOT_TRANSFER: "DOES NOT TRANSFER",
  INCONCLUSIVE: "INCONCLUSIVE",
};

const missingWords: { readonly [M in Missing]: string } = {
  seeds: "more seeds",
  sizes: "a second size",
  lower_rates: "lower rates",
  higher_rates: "higher rates",
  finer_grid: "a finer grid of rates",
};

/** Curves of every parametrization, as text. */
export function renderCurves({ axis, hyperparameter, families, seeds, verdict }: Curves, style: Style): string {
  const texts = families.map((family) => renderFamily(axis, family, rateNameOf(hyperparameter), seeds.length, style));
  // Exit 0 without a verdict is no praise.
  const unjudged = "the spec's own parametrization is not among these: name it in `curves.parametrizations` for a verdict on it";
  return wrapped([...texts, ...(verdict === null ? [unjudged] : [])].join("\n\n"), style.columns);
}

/** A number with its sign. */
export const signed = (value: number, digits: number): string => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(digits);

/** An interval of 90 % in words, one side of which may be open; nothing where both are. */
export function between(low: number | null, high: number | null, show: (value: number) => string): string {
  if (low === null && high === null) return "";
  if (low === null) return `${show(high ?? NaN)} or less`;
  return high === null ? `${show(low)} or more` : `${show(low)} to ${show(high)}`;
}
const inBrackets = (text: string): string => (text === "" ? "" : ` (${text})`);

function intervalOf(optimum: Optimum | null): string {
  if (optimum === null) return "–";
  const { low, high, edge } = optimum;
  const interval = between(low, high, power) || "–";
  return edge === null ? interval : `${interval}, at the edge`;
}

function unknownDrift(axis: Axis, curves: Family["curves"]): string {
  if (curves.length < 2) return `there is one ${axis} only`;
  const edges = curves.filter(({ optimum }) => optimum?.edge != null);
  if (edges.length === 0) return `a ${axis} has no optimum`;
  const sides = [...new Set(edges.map(({ optimum }) => (optimum?.edge === "low" ? "lower" : "higher")))].join(" and ");
  return `at ${axis} ${edges.map(({ size }) => size).join(", ")} the best rate lies at the edge of the grid: try ${sides} rates`;
}

function driftLine(axis: Axis, { drift, curves }: Family): string {
  const unit = `octaves per doubling of the ${axis}`;
  const known = drift?.per_doubling ?? null;
  const interval = drift === null ? "" : between(drift.low, drift.high, (value) => signed(value, 2));
  if (known !== null) return `drift of the optimum: ${signed(known, 2)} ${unit}${inBrackets(interval)}`;
  return `drift of the optimum: ${interval === "" ? "not known" : `${interval} ${unit}`}, ${unknownDrift(axis, curves)}`;
}

const nats = (value: number): string => signed(value, 3);

function growthLine(axis: Axis, { growth, places, violations, curves }: Family): string {
  const { larger, smallest, largest } = sizeWords[axis];
  const step =
    growth === null
      ? ""
      : `${larger}, at the best rates: ${nats(growth.nats)} nats from the ${smallest} to the ${largest}${inBrackets(between(growth.low, growth.high, nats))}; `;
  if (places === 0) return `${step}${larger} is compared at no place`;
  if (curves[0].points[0].losses.length === 1) return `${step}with one seed, whether ${larger} is clearly worse is not known`;
  const where = violations
    .slice(0, 4)
    .map(
      ({ smaller, larger: other, learning_rate: rate, nats: by }) =>
        `${smaller} → ${other} at ${rate === null ? "their best rates" : valueOf(rate)} by ${lossOf(by)}`,
    );
  const rest = violations.length > where.length ? `, and ${violations.length - where.length} more` : "";
  const found = violations.length === 0 ? "at none" : `at ${violations.length}`;
  return `${step}${larger} is clearly worse ${found} of ${places} ${places === 1 ? "place" : "places"} up to the best rates${where.length === 0 ? "" : `: ${where.join(", ")}${rest}`}`;
}

function gapLine(axis: Axis, { gap }: Family): string {
  const { smallest, largest } = sizeWords[axis];
  if (gap === null) return `transfer from the ${smallest} to the ${largest}: not known`;
  if (gap.nats === null) return `transfer from the ${smallest} to the ${largest}: the ${smallest}'s best rate diverges at the ${largest}`;
  const noise = gap.seed_noise === null ? "" : `; one seed makes ${lossOf(gap.seed_noise)}`;
  return `keeping the ${smallest}'s best rate at the ${largest} costs ${lossOf(gap.nats)} nats${inBrackets(between(gap.low, gap.high, nats))}${noise}`;
}

/** Why a family's verdict is what it is, in one line. */
export function reasonOf(axis: Axis, family: Family): string {
  const { larger, smallest, largest } = sizeWords[axis];
  const { verdict, missing, drift, gap } = family;
  if (verdict === "TRANSFERS")
    return `the optimum stays, ${larger} is better, and the ${smallest}'s rate is as good at the ${largest} as its own`;
  const range = drift === null ? "" : between(drift.low, drift.high, (value) => signed(value, 2));
  const cost = gap?.nats == null ? `diverges at the ${largest}` : `costs the ${largest} ${lossOf(gap.nats)} nats`;
  const parts = [
    { holds: family.optimum_stays, no: `the optimum moves by ${range} octaves per doubling`, doubt: "that the optimum stays" },
    { holds: family.larger_is_better, no: `${larger} is worse`, doubt: `that ${larger} is better` },
    {
      holds: family.smallest_rate_suffices,
      no: `the ${smallest}'s best rate ${cost}`,
      doubt: `that the ${smallest}'s rate is as good at the ${largest}`,
    },
  ];
  if (verdict === "DOES_NOT_TRANSFER") return listed(parts.flatMap(({ holds, no }) => (holds === false ? [no] : [])));
  const doubts = listed(parts.flatMap(({ holds, doubt }) => (holds === null ? [doubt] : [])));
  return `it is not sure ${doubts}: try ${listed(missing.map((each) => missingWords[each]))}`;
}

const listed = (items: readonly string[]): string =>
  items.length < 2 ? (items[0] ?? "") : `${items.slice(0, -1).join(", ")} and ${items[items.length - 1]}`;

function verdictLine(axis: Axis, family: Family, style: Style): string {
  const words = verdictWords[family.verdict];
  const paint = family.verdict === "DOES_NOT_TRANSFER" ? style.red : style.bold;
  return `${paint(words)}: ${reasonOf(axis, family)}`;
}

/** What the rates of curves are called. */
export const rateNameOf = (hyperparameter: string | undefined): string =>
  hyperparameter === "muon_learning_rate" ? "Muon's learning rate" : "learning rate";

function renderFamily(axis: Axis, family: Family, rateName: string, seeds: number, style: Style): string {
  const { parametrization, curves } = family;
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
  const table = textTable([axis, "loss over rate", "best rate", "90 % interval", "loss"], rows, [true, false, true, false, true], style, {
    drop: ["loss over rate", "loss"],
    elsewhere: "--json",
  });
  const divergedRates = first.filter((_, index) => curves.some(({ points }) => points[index].losses.includes(null))).length;
  return [
    `${style.bold(parametrization)}, ${rateName}s ${range}, ${seeds} ${seeds === 1 ? "seed" : "seeds"}`,
    table,
    driftLine(axis, family),
    growthLine(axis, family),
    gapLine(axis, family),
    ...(divergedRates === 0
      ? []
      : [`left out of that: ${divergedRates} ${divergedRates === 1 ? "rate" : "rates"} at which a model diverged or learned nothing`]),
    verdictLine(axis, family, style),
  ].join("\n");
}
