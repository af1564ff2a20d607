/** What is known of a run, as text. */
import { renderNotes } from "./notes.ts";
import { lossOf } from "./numbers.ts";
import { visible } from "./diagnostics.ts";
import type { Style } from "./style.ts";

export interface RunStatus {
  readonly folder: string;
  readonly name: string | null;
  /** Trainings: trials, and confirmations of the best. */
  readonly planned: number | null;
  readonly isDone: boolean;
  readonly steps: number | null;
  readonly completed: number;
  /** At a rung of early stopping: for good, or until it is decided who goes on. */
  readonly stopped: number;
  readonly diverged: number;
  readonly failed: number;
  readonly best: { readonly trial: number; readonly validationLoss: number } | null;
  readonly engine: string | null;
  /** Who has taken the folder and not given it back. */
  readonly process: { readonly pid: number; readonly host: string; readonly running: boolean } | null;
  readonly checkpoints: readonly { readonly trials: readonly number[]; readonly step: number }[];
  /** Bytes of a line that a crash has cut short. */
  readonly tornBytes: number;
  /** What to know before trusting the best. */
  readonly notes: readonly string[];
  readonly damages: readonly { readonly line: number; readonly problem: string }[];
}

const trialsOf = (ids: readonly number[]): string => (ids.length === 1 ? `trial ${ids[0]}` : `trials ${ids[0]}–${ids.at(-1)}`);

export function renderStatus(status: RunStatus, style: Style): string {
  const { planned, completed, stopped, diverged, failed, best, process: holder, isDone } = status;
  const ended = completed + stopped + diverged + failed;
  const parts = [
    `${completed} completed`,
    ...(stopped > 0 ? [`${stopped} stopped early`] : []),
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
    ...(status.damages.length > 0 ? [`mutransfer repair ${status.folder} puts damaged lines aside`] : []),
  ].join("\n");
}
