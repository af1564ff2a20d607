/** The trials as tables: those that ended, best first, and those in training with their latest losses. */
import { lossOf, valueOf } from "../../numbers.ts";
import type { HyperparameterName } from "../../parametrization/roles.ts";
import type { ReportInput } from "./input.ts";
import { html, tableMarkup, type Cells, type Markup } from "./markup.ts";
import { endings, meansOf, meanText, trainingNow, trialKey } from "./trials.ts";

/** Trials that the page lists. */
const shownTrials = 200;
/** Latest losses of a training that goes on. */
const latestLosses = 5;

/** Hyperparameters that differ between the trials. */
function variedOf({ ranked }: ReportInput): readonly HyperparameterName[] {
  const values = new Map<string, Set<number>>();
  for (const { hyperparameters } of ranked)
    for (const [name, value] of Object.entries(hyperparameters)) values.set(name, (values.get(name) ?? new Set()).add(value));
  return [...values].flatMap(([name, { size }]) => (size > 1 ? [name as HyperparameterName] : []));
}

/** Every trial that ended, best first; nothing before one has. */
export function rankingMarkup(input: ReportInput): Markup | undefined {
  const { ranked, best, phase } = input;
  if (ranked.length === 0) return undefined;
  const varied = variedOf(input);
  const means = meansOf(input);
  const shown = ranked.slice(0, shownTrials);
  const rows = shown.map((trial, index): Cells => {
    const { id, status, validationLoss: loss, hyperparameters, steps } = trial;
    const { mark, word } = endings[status];
    const mean = means.get(id);
    const isWinner = id === best?.trial && trial.seed === best.seed;
    return {
      key: trialKey(id),
      cells: [
        String(index + 1),
        String(id),
        isWinner ? `◆ ${phase === "finished" ? "winner" : "best so far"}` : `${mark} ${word}`,
        ...(means.size === 0
          ? []
          : [mean === undefined ? "" : { text: `${meanText(mean)} (${mean.seeds})`, value: String(mean.mean ?? "") }]),
        loss === null ? { text: "–", value: "" } : lossOf(loss),
        ...varied.map((name) => {
          const value = hyperparameters[name];
          return value === undefined ? "" : { text: valueOf(value), value: String(value) };
        }),
        String(steps),
      ],
    };
  });
  const head = ["rank", "trial", "status", ...(means.size === 0 ? [] : ["fresh seeds"]), "first run", ...varied, "steps"];
  const cap = ranked.length > shown.length ? ` The best ${shown.length} of ${ranked.length} are listed; trials.csv has them all.` : "";
  const confirmed =
    means.size === 0
      ? ""
      : " Where a trial was trained again on fresh seeds, its mean over them counts, ± one standard error, with the number of seeds; one without a mean did not complete on all of them.";
  const stopped = ranked.some(({ status }) => status === "stopped") ? " The first run of one that was stopped early is its last loss." : "";
  return html`<section id="ranking">
    <h2>Ranking</h2>
    <p>
      Validation losses in nats, best first.${confirmed}${stopped}${cap}
      <span class="hint" hidden>A click on a column's head sorts by it.</span>
    </p>
    ${tableMarkup({ head, rows, numeric: head.map((title) => title !== "status"), id: "ranking-table", sorts: true })}
  </section>`;
}

/** What is in training; nothing when nothing is. */
export function trainingMarkup(input: ReportInput): Markup | undefined {
  const trainings = trainingNow(input);
  if (trainings.length === 0) return undefined;
  const planned = input.spec === undefined ? "" : ` of ${input.spec.train.steps}`;
  return html`<section id="training">
    <h2>In training now</h2>
    ${tableMarkup({
      head: ["training", "step", "validation loss", "the losses before, latest first"],
      numeric: [false, true, true, false],
      rows: trainings.map(({ name, step, curve }) => {
        const [last, ...before] = curve.slice(-1 - latestLosses).reverse();
        return {
          key: name,
          cells: [
            name,
            `${step}${planned}`,
            last === undefined ? "none yet" : last.validationLoss === null ? "not finite" : lossOf(last.validationLoss),
            before.map(({ validationLoss }) => lossOf(validationLoss)).join(", "),
          ],
        };
      }),
      id: "training-table",
    })}
  </section>`;
}
