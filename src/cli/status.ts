/** `mutransfer status`: what is known of a run, as text or JSON. */
import { jsonText } from "../json.ts";
import { dataNotes } from "../report/notes.ts";
import { renderStatus, type StatusView } from "../report/status.ts";
import { readStatus } from "../studies/status.ts";
import { exitCodes, type ExitCode } from "./exit-codes.ts";
import type { Terminal } from "./terminal.ts";

/** Options of `mutransfer status`. */
export interface StatusCommand {
  readonly json?: boolean;
}

/** Runs `mutransfer status`. */
export function status(path: string, { json }: StatusCommand, terminal: Terminal): Promise<ExitCode> {
  const { generalization, tornBytes, damages, ...known } = readStatus(path);
  const view: StatusView = { ...known, notes: generalization === undefined ? [] : dataNotes(generalization), tornBytes, damages };
  terminal.out(json ? jsonText(view) : `${renderStatus(view, terminal.outStyle)}\n`);
  return Promise.resolve(damages.length === 0 ? exitCodes.ok : exitCodes.disagreement);
}
