/** What is known of a run, as text. */
import { basename } from "node:path";
import { lossOf } from "../numbers.ts";
import type { RunStatus, StatusOfMany } from "../studies/status.ts";
import { visible } from "./diagnostics.ts";
import { liveLines, paceText } from "./live.ts";
import { renderNotes } from "./notes.ts";
import { shellWord } from "../shell.ts";
import { plain, type Style } from "./style.ts";

/** A run's status, with what to know before trusting its best. */
export interface StatusView extends Omit<RunStatus, "generalization"> {
  readonly notes: readonly string[];
}

const trialsOf = (ids: readonly number[]): string => (ids.length === 1 ? `trial ${ids[0]}` : `trials ${ids[0]}–${ids.at(-1)}`);

type Standing = Omit<RunStatus, "generalization">;

function stateText({ phase, process: holder }: Standing): string {
  const who = holder === null ? "" : `process ${holder.pid} on ${holder.host}`;
  switch (phase) {
    case "running":
      return `running: ${who}`;
    case "finished":
      return holder === null ? "finished" : `finished; ${who}, which worked in the folder after that, died`;
    case "stopped":
      return "stopped: the same sweep command continues it";
    case "died":
      return `died: ${who} is no more; the same sweep command continues the run`;
    default:
      return phase satisfies never;
  }
}

/** How far it is; a finished sweep is done, and says so already. */
function paceLines({ fraction, live, isDone }: Standing): readonly string[] {
  if (live?.besides !== undefined) return [`${visible(live.besides.name)}: ${paceText(live.fraction, live)}`];
  return fraction === null || isDone ? [] : [paceText(fraction, live)];
}

function countsText({ planned, isDone, ...counts }: Standing, style: Style): string {
  const { completed, stopped: atRung, undecided, untrained, diverged, failed } = counts;
  const stopped = atRung - undecided;
  const ended = completed + stopped + untrained + diverged + failed;
  const parts = [
    `${completed} completed`,
    ...(stopped > 0 ? [`${stopped} stopped early`] : []),
    ...(undecided > 0 ? [`${undecided} at a rung`] : []),
    ...(untrained > 0 ? [`${untrained} learned nothing`] : []),
    ...(diverged > 0 ? [`${diverged} diverged`] : []),
    ...(failed > 0 ? [style.red(`${failed} failed`)] : []),
  ];
  const left = planned === null || isDone ? "" : `, ${Math.max(0, planned - ended)} of ${planned} still to be trained`;
  return `${parts.join(", ")}${left}`;
}

const bestText = ({ best, isDone }: Standing, style: Style): string =>
  best === null
    ? isDone
      ? "winner: none"
      : ""
    : `${isDone ? "winner" : "best so far"}: trial ${best.trial}, validation loss ${style.bold(lossOf(best.validationLoss))} nats`;

/** What is wrong with a run's files. */
const troubleLines = ({ folder, tornBytes, damages, problem }: Standing, style: Style): readonly string[] => [
  ...(tornBytes > 0 ? [`the journal ends in a line of ${tornBytes} bytes that a crash has cut short; the next run puts it aside`] : []),
  ...damages.map((damage) => style.red(visible(`journal line ${damage.line}: ${damage.problem}`))),
  ...(problem === null ? [] : [style.red(visible(problem))]),
  ...(damages.length > 0 ? [`mutransfer repair ${shellWord(folder)} puts damaged lines aside`] : []),
];

/** A run's status as lines of text. */
export function renderStatus(status: StatusView, style: Style): string {
  const { live, seed, steps } = status;
  return [
    `${style.bold(visible(status.name ?? status.folder))}: ${visible(stateText(status))}`,
    ...paceLines(status),
    `trainings: ${countsText(status, style)}`,
    ...(live === null ? [] : liveLines(live, seed, steps, style)),
    bestText(status, style),
    ...(status.notes.length === 0 ? [] : [renderNotes(status.notes, style)]),
    ...(status.engine === null ? [] : [`engine: ${visible(status.engine)}`]),
    ...status.checkpoints.map(({ trials, step }) => `checkpoint: ${trialsOf(trials)}, step ${step} of ${steps ?? "?"}`),
    ...troubleLines(status, style),
  ]
    .filter((line) => line !== "")
    .join("\n");
}

/** The same in one line, for logs. */
export function statusLine(status: Standing): string {
  const { phase, best, isDone } = status;
  const word = phase === "running" ? "" : phase;
  const parts = [word, ...paceLines(status), countsText(status, plain), best === null && !isDone ? "" : bestText(status, plain)];
  return `${visible(status.name ?? status.folder)}: ${parts.filter((part) => part !== "").join("; ")}`;
}

/** Several runs that are kept together, one after the other, and in full those that are in training. */
export function renderStatusOfMany({ folder, runs }: StatusOfMany, style: Style): string {
  const done = runs.filter(({ isDone }) => isDone).length;
  return [
    `${style.bold(visible(folder))}: ${runs.length} ${runs.length === 1 ? "sweep" : "sweeps"} begun, ${done} finished`,
    ...runs.flatMap((run) => [
      `${visible(basename(run.folder))}: ${visible(stateText(run))}; ${[...paceLines(run), countsText(run, style)].join("; ")}`,
      ...(run.live === null ? [] : liveLines(run.live, run.seed, run.steps, style).map((line) => `  ${line}`)),
      ...troubleLines(run, style).map((line) => `  ${line}`),
    ]),
  ].join("\n");
}
