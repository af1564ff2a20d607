/**
 * A sweep's outcome: the ranked table for the terminal, trials.csv, and the
 * closing lines with the winner, its cost and the next command.
 */
import Table from "cli-table3";
import type { ResultsHead } from "../sweep/results.ts";
import type { TrialSummary } from "../sweep/state.ts";
import type { TrialResult } from "../sweep/trial-result.ts";
import { flopsOf, lossOf, percentOf, valueOf } from "./numbers.ts";
import type { Style } from "./style.ts";

/** Trials that the terminal shows. */
export const shownTrials = 20;

/** cli-table3 without its own colours: styles are ours. */
export function textTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  numeric: readonly boolean[],
  style: Style,
): string {
  const table = new Table({
    head: head.map((title) => style.bold(title)),
    colAligns: numeric.map((right) => (right ? "right" : "left")),
    style: { head: [], border: [], compact: true },
    chars: {
      top: "",
      "top-mid": "",
      "top-left": "",
      "top-right": "",
      bottom: "",
      "bottom-mid": "",
      "bottom-left": "",
      "bottom-right": "",
      left: "",
      "left-mid": "",
      mid: "",
      "mid-mid": "",
      right: "",
      "right-mid": "",
      middle: "  ",
    },
  });
  table.push(...rows.map((row) => [...row]));
  return table.toString().replace(/[ \t]+$/gm, "");
}

/** Names that differ between trials: the ones worth a column. */
function variedNames(trials: readonly TrialResult[]): readonly string[] {
  const names = Object.keys(trials[0]?.hyperparameters ?? {});
  return names.filter((name) => new Set(trials.map(({ hyperparameters }) => hyperparameters[name])).size > 1);
}

/** The first ranked trials of `count`, best first. */
export function renderRanking(ranked: readonly TrialResult[], count: number, style: Style): string {
  const names = variedNames(ranked);
  const rows = ranked.map((trial, index) => {
    const loss = trial.status === "completed" ? lossOf(trial.validation_loss) : style.red(trial.status);
    return [String(index + 1), String(trial.id), loss, ...names.map((name) => valueOf(trial.hyperparameters[name] ?? NaN))];
  });
  const more = count > ranked.length ? [style.dim(`… and ${count - ranked.length} more in trials.csv`)] : [];
  return [textTable(["rank", "trial", "loss", ...names], rows, [true, true, true, ...names.map(() => true)], style), ...more].join("\n");
}

const setOf = (hyperparameters: Readonly<Record<string, number>>): string =>
  Object.entries(hyperparameters)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");

/** What to know and what to type after a sweep. */
export function renderVerdict(
  { best, cost, spec }: ResultsHead,
  trials: readonly Pick<TrialSummary, "status">[],
  resultsPath: string,
  style: Style,
): string {
  if (best === null) return style.red("no trial completed: every one diverged or failed");
  const unfinished = (["diverged", "failed"] as const).flatMap((status) => {
    const count = trials.filter((trial) => trial.status === status).length;
    return count > 0 ? [`${count} ${status}`] : [];
  });
  return [
    `${style.bold(`winner: trial ${best.trial}`)}, validation loss ${style.bold(lossOf(best.validation_loss))} nats${unfinished.length > 0 ? ` (${unfinished.join(", ")})` : ""}`,
    `  ${setOf(best.hyperparameters)}`,
    `cost: ${flopsOf(cost.proxy_flops)} for ${trials.length} proxies of width ${spec.width.proxy}, ${percentOf(cost.ratio)} of the target's ${flopsOf(cost.target_flops)} at width ${spec.width.target}`,
    `next: ${style.green(`mutransfer transfer --best ${resultsPath}`)}`,
  ].join("\n");
}

const csvCell = (value: string | number | null | undefined): string => {
  const text = value === null || value === undefined ? "" : String(value);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

/** Every trial as CSV, best first, a piece at a time; losses in nats. */
export function* trialsCsv(ranked: Iterable<TrialResult>): Generator<string> {
  const line = (cells: readonly (string | number | null | undefined)[]): string => `${cells.map(csvCell).join(",")}\n`;
  let names: readonly string[] | undefined;
  let rank = 0;
  for (const trial of ranked) {
    if (names === undefined) {
      names = Object.keys(trial.hyperparameters);
      yield line(["rank", "trial", "status", "validation_loss", "steps", "seed", ...names, "reason"]);
    }
    const tried = names.map((name) => trial.hyperparameters[name]);
    yield line([++rank, trial.id, trial.status, trial.validation_loss, trial.steps, trial.seed, ...tried, trial.reason]);
  }
}
