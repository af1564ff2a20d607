/** The plain facts at the head of a report: how the run stands, who won, with what, and what became of the target. */
import { countOf, duration, lossOf, valueOf } from "../../numbers.ts";
import type { HyperparameterName } from "../../parametrization/roles.ts";
import type { Phase } from "../../studies/folder.ts";
import type { ReportInput } from "./input.ts";
import { html, tableMarkup, type Markup } from "./markup.ts";
import type { PageKind } from "./script.ts";
import { meanText, trainingNow } from "./trials.ts";
import { shellWord } from "../../shell.ts";

const phaseNames: { readonly [K in Phase]: string } = {
  none: "This folder holds no sweep, only what was measured beside one.",
  finished: "Finished.",
  running: "Still going on: this is how far it has come; make the report again later.",
  stopped: "Not finished: it was stopped.",
  died: "Not finished: its process died.",
};

/** How the run stands; whoever trains in the folder of a finished sweep trains what comes after it. */
const phaseText = ({ phase, live }: ReportInput): string =>
  phase === "finished" && live !== undefined ? "The sweep has finished, and what follows it is being trained." : phaseNames[phase];

/** Damaged lines that are named one by one. */
const shownDamages = 20;

function trialCounts({ ranked, counts, undecided, spec }: ReportInput): string {
  const { completed, untrained, diverged, failed } = counts;
  const stopped = counts.stopped - undecided;
  const planned = spec === undefined ? "an unknown number of" : String(spec.search.trials);
  return `${ranked.length - undecided} of ${planned} trials done: ${completed} completed, ${stopped > 0 ? `${stopped} stopped early, ` : ""}${undecided > 0 ? `${undecided} at a rung, ` : ""}${untrained > 0 ? `${untrained} learned nothing, ` : ""}${diverged} diverged, ${failed} failed`;
}

function damageMarkup({ damages, tornBytes, problems, folder }: ReportInput): Markup | undefined {
  if (damages.length === 0 && tornBytes === 0 && problems.length === 0) return undefined;
  const more = damages.length - shownDamages;
  return html`<section class="alarm" role="alert">
    <h2>What could not be read</h2>
    <ul>
      ${damages.slice(0, shownDamages).map(({ line, problem }) => html`<li>journal line ${line}: ${problem}</li> `)}${more > 0 ? html`<li>and ${more} more damaged lines</li> ` : undefined}${tornBytes > 0 ? html`<li>the journal ends in a line of ${tornBytes} bytes that a crash has cut short; the next run puts it aside</li> ` : undefined}${problems.map((problem) => html`<li>${problem}</li> `)}
    </ul>
    ${damages.length > 0 ? html`<p>What these lines said is missing below. <code>mutransfer repair ${shellWord(folder)}</code>, typed in the folder that the run folder lies in, puts them aside, so that the run can be continued.</p>` : undefined}
  </section>`;
}

const tile = (label: string, value: string, detail: string): Markup =>
  html`<div class="tile">
    <dt>${label}</dt>
    <dd><strong>${value}</strong><span>${detail}</span></dd>
  </div> `;

/** How far a run has come, and when it will be done. */
function progressMarkup({ live }: ReportInput): Markup | undefined {
  if (live === undefined) return undefined;
  const percent = Math.max(0, Math.min(100, Math.floor(100 * live.fraction)));
  const { secondsLeft, stepsPerSecond } = live;
  const said = [
    `${percent} %`,
    ...(secondsLeft === null ? [] : [`about ${duration(secondsLeft)} left`]),
    ...(stepsPerSecond === null ? [] : [`${Number(stepsPerSecond.toPrecision(3))} steps/s`]),
  ];
  return html`<div id="progress">
    <div class="bar" role="progressbar" aria-label="done" aria-valuemin="0" aria-valuemax="100" aria-valuenow="${percent}">
      <i style="width:${percent}%"></i>
    </div>
    <p>${said.join(" · ")}</p>
  </div>`;
}

function targetTile(input: ReportInput): Markup {
  const { transfer, spec } = input;
  const training = trainingNow(input).find(({ isTarget }) => isTarget);
  if (training !== undefined) {
    const loss = training.curve.at(-1)?.validationLoss;
    return tile(
      "target, in training",
      loss == null ? "–" : lossOf(loss),
      `step ${training.step}${spec === undefined ? "" : ` of ${spec.train.steps}`}`,
    );
  }
  if (transfer === undefined) return tile("target", "not trained", spec === undefined ? "" : `width ${spec.width.target}`);
  const { validation_loss: loss, proxy_validation_loss: proxy, width, parameters, verdict, reasons = [] } = transfer;
  const blame = reasons.map((reason) => `; ${reason}`).join("");
  const size = `width ${width}, ${countOf(parameters)} parameters${blame}`;
  if (loss === null) return tile("target", "diverged", size);
  if (verdict === "untrained") return tile("target", "learned nothing", `${lossOf(loss)} nats; ${size}`);
  const gain = proxy - loss;
  return tile(
    "target's loss",
    lossOf(loss),
    `${lossOf(Math.abs(gain))} nats ${gain >= 0 ? "below" : "ABOVE"} the proxy's${verdict === "worse" ? ": wider is worse here" : ""}; ${size}`,
  );
}

function hyperparameterTable({ best, spec, transfer }: ReportInput): Markup | undefined {
  if (best === null) return undefined;
  const rangeOf = (name: string): string => {
    const domain = Object.entries(spec?.search.parameters ?? {}).find(([key]) => key === name)?.[1];
    if (domain === undefined) return "";
    if ("value" in domain) return "fixed";
    if ("same_as" in domain) return `same as ${domain.same_as}`;
    return "values" in domain ? domain.values.join(", ") : `${domain.min} to ${domain.max}, ${domain.distribution.replace("_", "-")}`;
  };
  return tableMarkup({
    head: ["hyperparameter", "searched", "winner", ...(transfer === undefined ? [] : ["target"])],
    numeric: [false, false, true, true],
    rows: Object.entries(best.hyperparameters).map(([name, value]) => [
      name,
      rangeOf(name),
      valueOf(value),
      ...(transfer === undefined
        ? []
        : [name in transfer.hyperparameters ? valueOf(transfer.hyperparameters[name as HyperparameterName] ?? NaN) : "–"]),
    ]),
  });
}

/** What was found before the launch, and what came of it. */
function prelaunchMarkup({ prelaunch, transfer, spec }: ReportInput): Markup | undefined {
  if (prelaunch === undefined) return undefined;
  const { coordinates, widths, between, prediction, objections, width } = prelaunch;
  const rows = [
    ...widths
      .filter((each) => each.width !== between.width)
      .map((each) => [String(each.width), "the winner's", lossOf(each.validation_loss)]),
    [String(between.width), "half the winner's", lossOf(between.half)],
    [String(between.width), "the winner's", lossOf(between.winner)],
    [String(between.width), "twice the winner's", lossOf(between.twice)],
    ...(prediction === null
      ? []
      : [
          [
            `${width}, predicted`,
            "the winner's",
            `${lossOf(prediction.validation_loss)} (${lossOf(prediction.low)} to ${lossOf(prediction.high)})`,
          ],
        ]),
    ...(transfer?.width === width ? [[`${width}, target`, "the winner's", lossOf(transfer.validation_loss)]] : []),
  ];
  return html`<section id="prelaunch">
    <h2>Checked before the launch</h2>
    <p>
      Coordinates: ${coordinates.verdict}, ${coordinates.reason}. One width between the
      proxy's${spec === undefined ? "" : ` (${spec.width.proxy})`} and the target's was trained at three learning rates; a power law over
      the widths predicted the target's loss before its first step.
    </p>
    ${objections.length > 0 ? html`<p class="phase died"><strong>It objected:</strong> ${objections.join("; ")}.</p>` : undefined}
    ${tableMarkup({ head: ["width", "learning rate", "validation loss, nats"], numeric: [false, false, true], rows })}
  </section>`;
}

/** The section with the facts. */
export function factsMarkup(input: ReportInput, kind: PageKind): Markup {
  const { run, folder, phase, spec, best, notes, ranked } = input;
  const mean = input.confirmed.find(({ trial }) => trial === best?.trial);
  const isFollowed = kind === "live" && phase === "running";
  const widths = spec === undefined ? "" : `proxies of width ${spec.width.proxy}, target of width ${spec.width.target}`;
  // A damaged journal has to be repaired first; its section says how.
  const goesOn = (phase === "stopped" || phase === "died") && input.damages.length === 0;
  const winner =
    best === null
      ? tile(
          "winner",
          "none",
          ranked.length === 0 ? "no trial has ended" : input.counts.untrained > 0 ? "no trial learned anything" : "no trial completed",
        )
      : tile(
          phase === "finished" ? "winner's loss" : "best so far",
          lossOf(best.validation_loss),
          `trial ${best.trial}, nats per token${mean === undefined ? ", its only run" : `; mean over ${mean.seeds} fresh seeds with its standard error, ${meanText(mean)}`}`,
        );
  return html`<header>
      <p class="kind">mutransfer report</p>
      <h1>${run?.name ?? folder}</h1>
      <p class="phase ${phase}">
        <strong>${isFollowed ? "Still going on; this page follows it." : phaseText(input)}</strong
        >${phase === "none" ? undefined : ` ${trialCounts(input)}.${goesOn ? " The same sweep command continues it." : ""}`}
      </p>
      ${progressMarkup(input)}
      <p>${widths}</p>
    </header>
    ${damageMarkup(input)} ${phase === "none" ? undefined : html`<dl class="tiles">${winner}${targetTile(input)}</dl>`}
    ${hyperparameterTable(input)} ${prelaunchMarkup(input)}
    ${
      notes.length > 0
        ? html`<section class="notes">
            <h2>Before trusting it</h2>
            <ul>
              ${notes.map((note) => html`<li>${note}</li> `)}
            </ul>
          </section>`
        : undefined
    }`;
}
