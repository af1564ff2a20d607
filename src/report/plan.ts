/**
 * What a sweep and its target will cost, as text of at most 80 columns: what is counted, which is
 * known at once, and what depends on the engine.
 */
import { bytesOf, countOf, duration, flopsOf, percentOf } from "../numbers.ts";
import type { Counted, PlanCounts } from "../studies/counts.ts";
import type { Forecast, PlanSummary } from "../studies/forecast.ts";
import { recipeText } from "./recipe.ts";
import { wrapped } from "./text.ts";
import { textTable } from "./text-table.ts";
import { renderTimed } from "./setup.ts";
import type { Style } from "./style.ts";

interface Parts<P> {
  readonly proxies: P;
  readonly target: P;
}
/** A row of a table: what it is called, and what it says of a part. */
type Row<P> = readonly [string, (part: P) => string];

const partsTable = <P>({ proxies, target }: Parts<P>, rows: readonly Row<P>[], style: Style): string =>
  textTable(
    ["", "proxies", "target"],
    rows.map(([name, of]) => [name, of(proxies), of(target)]),
    [false, true, true],
    style,
  );

/** The rows of a plan; Muon's only where there is Muon. */
const countedRows = (isMuon: boolean): readonly Row<Counted>[] => [
  ["models", ({ models }) => String(models)],
  ["width", ({ width }) => String(width)],
  ["blocks", ({ layers }) => String(layers)],
  ["parameters, each", ({ parameters }) => countOf(parameters)],
  ["training, in all", ({ flops }) => flopsOf(flops)],
  ...(isMuon ? [["Muon's products, besides", ({ muonFlops = 0 }: Counted) => flopsOf(muonFlops)] as const] : []),
  ["memory, each, at least", (part) => bytesOf(part.stateBytes)],
  ["checkpoints on disk, each", (part) => bytesOf(part.modelCheckpointBytes)],
];

/** Columns that a plan takes at most, so that it reads well in a file too. */
const planColumns = 80;

/** What is known of a plan by counting. */
export function renderCounts(counts: PlanCounts, style: Style): string {
  const { name, recipe, method, trials, confirmations, racing, steps, tokensPerStep, proxies, target } = counts;
  const confirmed = confirmations > 0 ? ` and ${confirmations} confirmations` : "";
  return [
    `${style.bold(name)}: ${trials} ${method} trials${confirmed}`,
    `every model: ${steps} steps of ${countOf(tokensPerStep)} tokens`,
    wrapped(recipeText(recipe), Math.min(style.columns, planColumns)),
    partsTable(counts, countedRows(proxies.muonFlops !== undefined), style),
    `tuning costs ${percentOf(proxies.flops / target.flops)} of the target's training`,
    ...(racing.models > 0
      ? [
          `racing may add up to ${racing.models} trainings, ${flopsOf(racing.flops)}, which makes it ${percentOf((proxies.flops + racing.flops) / target.flops)}`,
        ]
      : []),
  ].join("\n");
}

const timedOn = ({ timedShare }: Forecast): string =>
  timedShare === null ? "the proxies' speed" : timedShare === 1 ? "whole steps" : `${percentOf(timedShare)} of a step`;

const forecastRows: readonly Row<Forecast>[] = [
  ["time, about", ({ seconds }) => duration(seconds)],
  ["from", timedOn],
  ["memory, up to about", ({ memoryBytes, models }) => `${bytesOf(memoryBytes)}${models > 1 ? " a worker" : ""}`],
  ["checkpoints, up to", (part) => bytesOf(part.checkpointBytes)],
];

/** What a plan comes to on the engine that it was timed on. */
export function renderForecast(summary: PlanSummary, style: Style): string {
  const { racing, setup } = summary;
  const { engine, device, arrangement } = setup;
  const { stackSize, jobs } = arrangement;
  const isScaled = [summary.proxies, summary.target].some(({ timedShare }) => timedShare !== 1);
  return [
    `${style.bold("on this machine")}: with ${engine} on ${device.name},`,
    `in stacks of ${stackSize}, ${jobs} at a time`,
    partsTable(summary, forecastRows, style),
    ...(racing.models > 0 ? [`racing may take up to about ${duration(racing.seconds)} more, and no more checkpoints at a time`] : []),
    "",
    renderTimed(setup, style),
    "times are of a few steps here, without other load",
    ...(isScaled ? ["where not all of a step was timed, the rest is scaled by FLOPs: a rough guess"] : []),
  ].join("\n");
}
