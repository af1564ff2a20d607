/** What is known of a run, as text. */
import { lossOf } from "../numbers.ts";
import type { RunStatus } from "../studies/status.ts";
import { visible } from "./diagnostics.ts";
import { renderNotes } from "./notes.ts";
import { shellWord } from "../shell.ts";
import type { Style } from "./style.ts";

/** A run's status, with what to know before trusting its best. */
export interface StatusView extends Omit<RunStatus, "generalization"> {
  readonly notes: readonly string[];
}

const trialsOf = (ids: readonly number[]): string => (ids.length === 1 ? `trial ${ids[0]}` : `trials ${ids[0]}–${ids.at(-1)}`);

/** A run's status as lines of text. */
export function renderStatus(status: StatusView, style: Style): string {
  const { planned, completed, stopped, untrained, diverged, failed, best, process: holder, isDone } = status;
  const ended = completed + stopped + untrained + diverged + failed;
  const parts = [
    `${completed} completed`,
    ...(stopped > 0 ? [`${stopped} stopped early`] : []),
    ...(untrained > 0 ? [`${untrained} learned nothing`] : []),
    ...(diverged > 0 ? [`${diverged} diverged`] : []),
    ...(failed > 0 ? [style.red(`${failed} failed`)] : []),
  ];
  const left = planned === null || isDone ? "" : `, ${Math.max(0, planned - ended)} of ${planned} still to be trained`;
  const state =
    holder?.running === true
      ? `running: process ${holder.pid} on ${holder.host}`
      : isDone
        ? "finished"
        : holder === null
          ? "stopped: the same sweep command continues it"
          : `died: process ${holder.pid} on ${holder.host} is no more; the same sweep command continues the run`;
  return [
    `${style.bold(visible(status.name ?? status.folder))}: ${visible(state)}`,
    `trials: ${parts.join(", ")}${left}`,
    ...(best === null ? [] : [`best so far: trial ${best.trial}, validation loss ${style.bold(lossOf(best.validationLoss))} nats`]),
    ...(status.notes.length === 0 ? [] : [renderNotes(status.notes, style)]),
    ...(status.engine === null ? [] : [`engine: ${visible(status.engine)}`]),
    ...status.checkpoints.map(({ trials, step }) => `checkpoint: ${trialsOf(trials)}, step ${step} of ${status.steps ?? "?"}`),
    ...(status.tornBytes > 0
      ? [`the journal ends in a line of ${status.tornBytes} bytes that a crash has cut short; the next run puts it aside`]
      : []),
    ...status.damages.map(({ line, problem }) => style.red(visible(`journal line ${line}: ${problem}`))),
    ...(status.damages.length > 0 ? [`mutransfer repair ${shellWord(status.folder)} puts damaged lines aside`] : []),
  ].join("\n");
}
