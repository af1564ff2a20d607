/** `mutransfer status`: what is known of a run, as text or JSON, once or until the run ends. */
import { jsonLine, jsonText } from "../json.ts";
import { dataNotes } from "../report/notes.ts";
import { renderStatus, renderStatusOfMany, statusLine, type StatusView } from "../report/status.ts";
import type { Style } from "../report/style.ts";
import { wrapped } from "../report/text.ts";
import { readStatuses, type RunStatus, type StatusOfMany } from "../studies/status.ts";
import { watchStatus } from "../studies/watch.ts";
import { exitCodes, type ExitCode } from "./exit-codes.ts";
import { bySignals, stoppedCode } from "./interrupt.ts";
import type { Terminal } from "./terminal.ts";

/** Options of `mutransfer status`. */
export interface StatusCommand {
  readonly json?: boolean;
  readonly watch?: boolean;
}

/** Seconds between two lines where nothing can be repainted. */
const lineSeconds = 5;

function viewOf({ generalization, tornBytes, damages, ...known }: RunStatus): StatusView {
  return { ...known, notes: generalization === undefined ? [] : dataNotes(generalization), tornBytes, damages };
}
const dataOf = (status: RunStatus | StatusOfMany): object =>
  "runs" in status ? { folder: status.folder, runs: status.runs.map(viewOf) } : viewOf(status);
const textOf = (status: RunStatus | StatusOfMany, style: Style): string =>
  ("runs" in status ? renderStatusOfMany(status, style) : renderStatus(viewOf(status), style))
    .split("\n")
    // What is to be typed stays in one piece.
    .map((line) => (line.startsWith("mutransfer ") ? line : wrapped(line, style.columns)))
    .join("\n");
const runsOf = (status: RunStatus | StatusOfMany): readonly RunStatus[] => ("runs" in status ? status.runs : [status]);
const codeOf = (status: RunStatus | StatusOfMany): ExitCode =>
  runsOf(status).every(({ damages }) => damages.length === 0) ? exitCodes.ok : exitCodes.disagreement;

/** Runs `mutransfer status`. */
export function status(path: string, { json, watch }: StatusCommand, terminal: Terminal): Promise<ExitCode> {
  const found = readStatuses(path);
  if (watch) return watched(path, found, json ?? false, terminal);
  terminal.out(json ? jsonText(dataOf(found)) : `${textOf(found, terminal.outStyle)}\n`);
  return Promise.resolve(codeOf(found));
}

/** Repaints the status, or prints a line now and then, until the run ends: then, or when it is interrupted, the status stays. */
async function watched(path: string, found: RunStatus | StatusOfMany, json: boolean, terminal: Terminal): Promise<ExitCode> {
  const over = new AbortController();
  let [latest, said, next] = [found, "", -Infinity];
  const repaints = !json && terminal.repaints;
  if (repaints) terminal.live({ block: (_, style) => textOf(latest, style).split("\n"), line: () => "" });
  const tell = (status: RunStatus | StatusOfMany): void => {
    latest = status;
    if (repaints || terminal.now() < next) return;
    const text = json
      ? jsonLine(dataOf(status))
      : runsOf(status)
          .map((run) => `${statusLine(run)}\n`)
          .join("");
    if (text !== said) terminal.out(text);
    if (text !== said) next = terminal.now() + lineSeconds;
    said = text;
  };
  await bySignals
    .until(
      () => watchStatus(path, tell, over.signal),
      () => over.abort(),
    )
    .finally(() => terminal.rest());
  if (!json) terminal.out(`${textOf(latest, terminal.outStyle)}\n`);
  else if (jsonLine(dataOf(latest)) !== said) terminal.out(jsonLine(dataOf(latest)));
  return over.signal.aborted ? stoppedCode() : codeOf(latest);
}
