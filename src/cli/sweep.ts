/** `mutransfer sweep`: the study, and what it has come to as text, JSON or events. */
import { visible } from "../report/diagnostics.ts";
import { dataNotes, edgeNotes, renderNotes, resultNotes } from "../report/notes.ts";
import { renderRanking, renderVerdict } from "../report/ranking.ts";
import { readSpec } from "../studies/named-files.ts";
import { sweep as study, type FinishedSweep, type SweepOptions } from "../studies/sweep.ts";
import type { Display, DisplayOptions } from "./display.ts";
import { exitCodes, type ExitCode } from "./exit-codes.ts";
import { copyFile } from "./files.ts";
import { printPlan } from "./plan.ts";
import { ending, surroundings } from "./setting.ts";
import type { Terminal } from "./terminal.ts";

/** Options of `mutransfer sweep`. */
export interface SweepCommand extends SweepOptions, DisplayOptions {
  readonly dryRun?: boolean;
}

/** Runs `mutransfer sweep`. */
export function sweep(file: string, options: SweepCommand, terminal: Terminal, version: string): Promise<ExitCode> {
  if (options.dryRun) return printPlan(file, options, terminal, version);
  const { display, setting } = surroundings(terminal, options, version);
  display.say(terminal.errStyle.dim(`reading ${visible(file)}`));
  return ending(display, async () => printSweep(await study(readSpec(file), options, setting), options, terminal, display));
}

/** Prints a finished sweep; one without a winner is a failure, and so is one whose winner is no optimum of what was tried. */
export function printSweep(finished: FinishedSweep, options: DisplayOptions, terminal: Terminal, display: Display): ExitCode {
  const { head, summaries, leaders, rankedCount, generalization, path } = finished;
  if (options.json) copyFile(path, (piece) => terminal.out(piece));
  else if (!options.events) {
    const table = renderRanking(leaders, rankedCount, head.confirmation, terminal.outStyle);
    terminal.out(`${table}\n\n${renderVerdict(head, summaries, path, terminal.outStyle, display.tookSeconds)}\n`);
  }
  display.say(
    renderNotes([...dataNotes(generalization), ...resultNotes({ ...head, yardsticks: head.analysis.yardsticks })], terminal.errStyle),
  );
  // Whoever reads JSON or events is told on the other stream why there is no winner.
  if (head.best === null && (options.json || options.events)) terminal.err(`${renderVerdict(head, summaries, path, terminal.errStyle)}\n`);
  const against = head.best === null ? [] : edgeNotes(head.best, true);
  // Silence does not hide why a sweep that has done its work fails.
  if (options.quiet && against.length > 0) terminal.err(`${renderNotes([against.join("; ")], terminal.errStyle)}\n`);
  return head.best === null || against.length > 0 ? exitCodes.noSurvivor : exitCodes.ok;
}
