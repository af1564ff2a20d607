/**
 * A sweep's outcome: the ranked table for the terminal, and the closing lines with the
 * winner, its cost and the next command.
 */
import Table from "cli-table3";
import { flopsOf, lossOf, percentOf, valueOf } from "../numbers.ts";
import type { HyperparameterName, Hyperparameters } from "../parametrization/roles.ts";
import type { ResultsHead } from "../run/results.ts";
import type { TrialSummary } from "../run/state.ts";
import type { TrialResult } from "../run/trial-result.ts";
import type { Style } from "./style.ts";

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
function variedNames(trials: readonly TrialResult[]): readonly HyperparameterName[] {
  const names = Object.keys(trials[0]?.hyperparameters ?? {}) as HyperparameterName[];
  return names.filter((name) => new Set(trials.map(({ hyperparameters }) => hyperparameters[name])).size > 1);
}

function shownLoss({ status, validation_loss: loss, steps }: TrialResult, style: Style): string {
  if (status === "completed") return lossOf(loss);
  return status === "stopped" ? style.dim(`${lossOf(loss)} at ${steps}`) : style.red(status);
}

/** The first ranked trials of `count`, best first, with their means over fresh seeds. */
export function renderRanking(
  ranked: readonly TrialResult[],
  count: number,
  confirmation: ResultsHead["confirmation"],
  style: Style,
): string {
  const names = variedNames(ranked);
  const means = new Map(confirmation.map(({ trial, mean_loss: mean }) => [trial, mean === null ? style.red("diverged") : lossOf(mean)]));
  const isConfirmed = confirmation.length > 0;
  const rows = ranked.map((trial, index) => [
    String(index + 1),
    String(trial.id),
    ...(isConfirmed ? [means.get(trial.id) ?? ""] : []),
    shownLoss(trial, style),
    ...names.map((name) => valueOf(trial.hyperparameters[name] ?? NaN)),
  ]);
  const more = count > ranked.length ? [style.dim(`… and ${count - ranked.length} more in trials.csv`)] : [];
  const head = ["rank", "trial", ...(isConfirmed ? ["fresh seeds", "first run"] : ["loss"]), ...names];
  return [
    textTable(
      head,
      rows,
      head.map(() => true),
      style,
    ),
    ...more,
  ].join("\n");
}

const setOf = (hyperparameters: Hyperparameters): string =>
  Object.entries(hyperparameters)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");

/** Below so many trials the importance of hyperparameters is a guess. */
const tellingTrials = 50;

const listOf = (parts: readonly string[]): string => parts.filter((part) => part !== "").join(", ");

function winnerLine({ best, analysis, spec }: ResultsHead, style: Style): string {
  if (best === null) return "";
  const { standard_error: error, validation_loss: loss } = best;
  const seeds = spec.search.confirm?.seeds ?? 0;
  const sure = error === null ? "" : ` ± ${lossOf(error)}`;
  const gain = (analysis.median_loss ?? loss) - loss;
  const compared = gain === 0 ? "" : `, ${lossOf(Math.abs(gain))} ${gain > 0 ? "below" : "above"} the median trial's`;
  const source = error === null ? "" : ` (mean of ${seeds} fresh seeds)`;
  return `${style.bold(`winner: trial ${best.trial}`)}, validation loss ${style.bold(`${lossOf(loss)}${sure}`)} nats${source}${compared}`;
}

function confirmationLine({ confirmation, analysis, best }: ResultsHead): string {
  if (confirmation.length === 0 || best === null) return "";
  const shown = confirmation.slice(0, 5).map(({ trial, mean_loss: mean }) => `trial ${trial} ${mean === null ? "diverged" : lossOf(mean)}`);
  const [leader] = confirmation;
  const tie =
    leader.trial === best.trial
      ? ""
      : `; trial ${best.trial} is within a standard error of trial ${leader.trial} and has the lower learning rate`;
  const curse =
    analysis.winners_curse === null
      ? ""
      : `; the best first run was ${lossOf(Math.abs(analysis.winners_curse))} ${analysis.winners_curse >= 0 ? "too good" : "too bad"}`;
  return `confirmed on fresh seeds: ${shown.join(", ")}${confirmation.length > shown.length ? ", …" : ""}${tie}${curse}`;
}

function optimumLine({ analysis, best }: ResultsHead): string {
  const { optimum, lowest_diverged_learning_rate: diverged } = analysis;
  const edge = best?.edges.find(({ hyperparameter }) => hyperparameter === "learning_rate");
  const parts = [
    optimum === null
      ? ""
      : `best learning rate: ${valueOf(optimum.learning_rate)}, between ${valueOf(optimum.low)} and ${valueOf(optimum.high)} at 90 % confidence`,
    edge === undefined ? "" : `the winner's lies at the ${edge.side} edge of its range: search on to ${valueOf(edge.extend_to)}`,
    diverged === null ? "" : `the lowest that diverged: ${valueOf(diverged)}`,
  ];
  return parts.filter((part) => part !== "").join("; ");
}

function importanceLine({ analysis, spec }: ResultsHead): string {
  if (analysis.importance.length === 0) return "";
  const shares = analysis.importance.map(
    ({ hyperparameter, share, low, high }) => `${hyperparameter} ${percentOf(share)} (${percentOf(low)} to ${percentOf(high)})`,
  );
  const warning = spec.search.trials < tellingTrials ? `; with fewer than ${tellingTrials} trials a guess` : "";
  return `what mattered, as a share of the ranks' variance: ${shares.join(", ")}${warning}`;
}

function stoppingLine({ analysis }: ResultsHead): string {
  const { made, spared } = analysis.steps;
  if (analysis.rungs.length === 0) return "";
  const places = analysis.rungs.map(
    ({ steps, trials, kept, place }) => `${place ?? "not"} of ${trials} at step ${steps} (${kept} went on)`,
  );
  return `stopped early: ${percentOf(spared / (made + spared))} of the first runs' steps were spared; the winner was ${places.join(", ")}`;
}

/** What to know and what to type after a sweep. */
export function renderVerdict(
  head: ResultsHead,
  trials: readonly Pick<TrialSummary, "status">[],
  resultsPath: string,
  style: Style,
): string {
  const { best, cost, spec } = head;
  if (best === null) return style.red("no trial completed: every one diverged or failed");
  const counts = (["stopped", "diverged", "failed"] as const).map((status) => {
    const count = trials.filter((trial) => trial.status === status).length;
    return count > 0 ? `${count} ${status}` : "";
  });
  const ended = listOf(counts);
  return [
    winnerLine(head, style),
    `  ${setOf(best.hyperparameters)}`,
    confirmationLine(head),
    optimumLine(head),
    importanceLine(head),
    stoppingLine(head),
    `cost: ${flopsOf(cost.proxy_flops)} for ${trials.length} trainings of width ${spec.width.proxy}${ended === "" ? "" : ` (${ended})`}, ${percentOf(cost.ratio)} of the target's ${flopsOf(cost.target_flops)} at width ${spec.width.target}; the paper tuned GPT-3 6.7B for 7 %`,
    `next: ${style.green(`mutransfer transfer --best ${resultsPath}`)}`,
  ]
    .filter((line) => line !== "")
    .join("\n");
}
