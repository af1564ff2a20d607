/**
 * A sweep's outcome: the ranked table for the terminal, and the closing lines with the
 * winner, its cost and the next command.
 */
import { duration, flopsOf, lossOf, percentOf, valueOf } from "../numbers.ts";
import type { HyperparameterName, Hyperparameters } from "../parametrization/roles.ts";
import type { ResultsHead } from "../run/results.ts";
import type { TrialSummary } from "../run/state.ts";
import type { TrialResult } from "../run/trial-result.ts";
import { rateNames, rateWord } from "./rates.ts";
import { frequencyNote } from "./notes.ts";
import { shellWord } from "../shell.ts";
import { statusWords, type Style } from "./style.ts";
import { textTable } from "./text-table.ts";
import { wrapped } from "./text.ts";

/** Names that differ between trials: the ones worth a column. */
function variedNames(trials: readonly TrialResult[]): readonly HyperparameterName[] {
  const names = Object.keys(trials[0]?.hyperparameters ?? {}) as HyperparameterName[];
  return names.filter((name) => new Set(trials.map(({ hyperparameters }) => hyperparameters[name])).size > 1);
}

function shownLoss({ status, validation_loss: loss, steps }: TrialResult, style: Style): string {
  if (status === "completed") return lossOf(loss);
  if (status === "stopped") return style.dim(`${lossOf(loss)} at ${steps}`);
  return style.red(status === "untrained" ? `${statusWords[status]}: ${lossOf(loss)}` : statusWords[status]);
}

/** What is said of a trial that did not complete on every fresh seed. */
const lostSeed = "not on all";

type Confirmation = ResultsHead["confirmation"];

/** A mean over fresh seeds; with their number where trials have different ones, since such means do not compare. */
function meanOf({ mean_loss: mean, losses }: Confirmation[number], all: Confirmation): string {
  const isAlike = all.every((each) => each.losses.length === losses.length);
  return `${lossOf(mean)}${isAlike ? "" : ` (${losses.length})`}`;
}

/** The first ranked trials of `count`, best first, with their means over fresh seeds. */
export function renderRanking(
  ranked: readonly TrialResult[],
  count: number,
  confirmation: ResultsHead["confirmation"],
  style: Style,
): string {
  const names = variedNames(ranked);
  const means = new Map(
    confirmation.map((each) => [each.trial, each.mean_loss === null ? style.red(lostSeed) : meanOf(each, confirmation)]),
  );
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
  const table = textTable(
    head,
    rows,
    head.map(() => true),
    style,
    // The learning rate stays; what is left out is the winner's own in the lines below.
    { drop: [...names.slice(1).reverse(), ...(isConfirmed ? ["rank"] : [])], elsewhere: "the run's trials.csv" },
  );
  return [table, ...more].join("\n");
}

const setOf = (hyperparameters: Hyperparameters): string =>
  Object.entries(hyperparameters)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");

/** Below so many trials the importance of hyperparameters is a guess. */
const tellingTrials = 50;

const listOf = (parts: readonly string[]): string => parts.filter((part) => part !== "").join(", ");

type EndedTrial = Pick<TrialSummary, "id" | "status">;

function winnerLine({ best, analysis, confirmation }: ResultsHead, trials: readonly EndedTrial[], style: Style): string {
  if (best === null) return "";
  const { standard_error: error, validation_loss: loss } = best;
  const seeds = confirmation.find(({ trial, mean_loss: mean }) => trial === best.trial && mean !== null)?.losses.length ?? 0;
  const sure = error === null ? "" : ` ± ${lossOf(error)}`;
  const isCompared = trials.some(({ id, status }) => id !== best.trial && status === "completed");
  const gain = isCompared ? (analysis.median_loss ?? loss) - loss : 0;
  const compared = gain === 0 ? "" : `, ${lossOf(Math.abs(gain))} ${gain > 0 ? "below" : "above"} the median trial's`;
  const source = seeds === 0 ? "" : seeds === 1 ? " (on one fresh seed)" : ` (mean of ${seeds} fresh seeds)`;
  return `${style.bold(`winner: trial ${best.trial}`)}, validation loss ${style.bold(`${lossOf(loss)}${sure}`)} nats${source}${compared}`;
}

function confirmationLine(head: ResultsHead): string {
  const { confirmation, analysis, best } = head;
  if (confirmation.length === 0 || best === null) return "";
  const shown = confirmation
    .slice(0, 5)
    .map((each) => `trial ${each.trial} ${each.mean_loss === null ? lostSeed : meanOf(each, confirmation)}`);
  const [leader] = confirmation;
  const tie =
    head.race !== undefined || leader.trial === best.trial
      ? ""
      : `; trial ${best.trial} is within a standard error of trial ${leader.trial} and has the lower learning rate`;
  const curse =
    analysis.winners_curse === null
      ? ""
      : `; the best first run was ${lossOf(Math.abs(analysis.winners_curse))} ${analysis.winners_curse >= 0 ? "too good" : "too bad"}`;
  return `confirmed on fresh seeds: ${shown.join(", ")}${confirmation.length > shown.length ? ", …" : ""}${tie}${curse}`;
}

/** The rate that a curve of losses was known up to, by the side on which it had not turned. */
export const lastRate = { lower: "the lowest rate trained to the end", upper: "the highest rate trained to the end" } as const;
/** What an estimate of the best learning rate leaves out where trials were stopped early. */
export const withoutStopped = "first runs that were stopped early have no part in this";

/** What is known of the best learning rate, as a sentence. */
function optimumText({ optimum, steps }: ResultsHead["analysis"], word: string): string {
  const left = steps.spared > 0 ? `; ${withoutStopped}` : "";
  if (optimum === null) return `best ${word}: not determined by these trials${left}`;
  const { learning_rate: rate, low, high, open } = optimum;
  if (open === "upper")
    return `best ${word}: ${valueOf(low)} or higher: up to ${valueOf(high)}, ${lastRate.upper}, losses have not surely turned${left}`;
  if (open === "lower")
    return `best ${word}: ${valueOf(high)} or lower: down to ${valueOf(low)}, ${lastRate.lower}, losses have not surely turned${left}`;
  return `best ${word}: ${valueOf(rate)}, between ${valueOf(low)} and ${valueOf(high)} at 90 % confidence${left}`;
}

const trialsOf = (ids: readonly number[]): string =>
  ids.length === 1 ? `trial ${ids[0]}` : `trials ${ids.slice(0, -1).join(", ")} and ${ids.at(-1)}`;

/** How ties were broken, and what that took. */
function raceLine({ race, best, confirmation, spec }: ResultsHead): string {
  const { confirm } = spec.search;
  if (confirm === null || best === null || race === undefined || race === null) return "";
  if (race.seeds === 1)
    return confirmation.length > 1 ? "one fresh seed each tells nobody how much of that is chance: the best of them is the winner" : "";
  const { trials, tied, seeds } = race;
  const [leader] = tied;
  const added = confirmation.reduce((sum, { losses }) => sum + Math.max(0, losses.length - confirm.seeds), 0);
  const trainings = `${added} ${added === 1 ? "training" : "trainings"} more`;
  if (tied.length === 1)
    return trials.length === 0
      ? ""
      : `${trialsOf(trials)} could not be told apart over ${confirm.seeds} fresh seeds; over ${seeds}, ${trainings}, trial ${leader} is the best`;
  const over = trials.length === 0 ? `${seeds} fresh seeds` : `${confirm.seeds} fresh seeds, nor over ${seeds} (${trainings})`;
  return `${trialsOf(tied)} cannot be told apart over ${over}: trial ${leader} has the best mean`;
}

function optimumLine({ analysis, best, spec }: ResultsHead): string {
  const { lowest_diverged_learning_rate: diverged } = analysis;
  const { rate = "learning_rate" } = analysis;
  const edge = best?.edges.find(({ hyperparameter }) => (rateNames as readonly string[]).includes(hyperparameter));
  const parts = [
    "value" in (spec.search.parameters[rate] ?? {}) ? "" : optimumText(analysis, rateWord(rate)),
    edge === undefined
      ? ""
      : `the winner's ${edge.hyperparameter} lies at the ${edge.side} edge of its range: search on to ${valueOf(edge.extend_to)}`,
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

/** Why there is no winner, and what that can come of. */
function lossless({ analysis, confirmation }: ResultsHead, untrained: number, ended: string): string {
  if (confirmation.length > 0)
    return `no winner: every trial that was confirmed diverged, learned nothing or failed on a fresh seed (${ended}); lower learning rates are steadier`;
  if (untrained === 0) return `no trial completed: every one diverged or failed (${ended}); lower learning rates are steadier`;
  const chance = analysis.yardsticks === undefined ? "" : `; chance among all tokens costs ${lossOf(analysis.yardsticks.uniform)} nats`;
  return `nothing was learned: no trial ended better than it began (${ended}${chance}). Learning rates that are all too low or all too high do that, and so do too few steps, and data without structure`;
}

/** What to do next: a winner at an edge that matters is not launched. */
function nextLine({ edges }: NonNullable<ResultsHead["best"]>, resultsPath: string, style: Style): string {
  const against = edges.filter(({ matters }) => matters);
  return against.length === 0
    ? `next: ${style.green(`mutransfer transfer --best ${shellWord(resultsPath)}`)}`
    : wrapped(
        `next: sweep again with ${listOf(against.map(({ hyperparameter, side, extend_to: extendTo }) => `${hyperparameter} ${side === "upper" ? "up" : "down"} to ${valueOf(extendTo)}`))}: the winner lies at an edge, and transfer refuses it`,
        style.columns,
      );
}

/** What to know and what to type after a sweep; `tookSeconds` is what all of its training took, where that is known. */
export function renderVerdict(
  head: ResultsHead,
  trials: readonly EndedTrial[],
  resultsPath: string,
  style: Style,
  tookSeconds?: number,
): string {
  const { best, cost, spec } = head;
  const [took, targetTakes] = tookSeconds === undefined ? [0, 0] : [tookSeconds, tookSeconds / cost.ratio];
  const countOf = (status: TrialSummary["status"]): number => trials.filter((trial) => trial.status === status).length;
  const ended = listOf(
    (["stopped", "untrained", "diverged", "failed"] as const).map((status) =>
      countOf(status) > 0 ? `${countOf(status)} ${statusWords[status]}` : "",
    ),
  );
  if (best === null) return style.red(wrapped(lossless(head, countOf("untrained"), ended), style.columns));
  const lines = [
    winnerLine(head, trials, style),
    `  ${setOf(best.hyperparameters)}`,
    confirmationLine(head),
    raceLine(head),
    optimumLine(head),
    importanceLine(head),
    stoppingLine(head),
    ...frequencyNote(head.best, head.analysis.yardsticks).map((note) => style.red(note)),
    `cost: ${flopsOf(cost.proxy_flops)}${took < 1 ? "" : ` in ${duration(took)}`} for ${trials.length} trainings of width ${spec.width.proxy}${ended === "" ? "" : ` (${ended})`}, ${percentOf(cost.ratio)} of the target's ${flopsOf(cost.target_flops)} at width ${spec.width.target}${targetTakes < 1 ? "" : ` (about ${duration(targetTakes)} at that rate)`}; the paper tuned GPT-3 6.7B for 7 %`,
  ].filter((line) => line !== "");
  // A command stays in one line, so that it can be copied.
  return `${wrapped(lines.join("\n"), style.columns)}\n${nextLine(best, resultsPath, style)}`;
}
