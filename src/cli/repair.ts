/** `mutransfer repair`: puts damaged lines of a journal aside, so that the rest can be gone on with. */
import { exitCodes, UserError, type ExitCode } from "../errors.ts";
import { takeLock } from "../sweep/lock.ts";
import { repairJournal } from "../sweep/repair.ts";
import { openRunFolder } from "../sweep/run-folder.ts";
import type { Terminal } from "./terminal.ts";

export function repair(path: string, terminal: Terminal): Promise<ExitCode> {
  const folder = openRunFolder(path);
  const lock = takeLock(folder);
  try {
    const { quarantined, file, hasRun } = repairJournal(folder);
    if (!hasRun)
      throw new UserError(
        {
          code: "run_record_damaged",
          message: `${path}: the journal's first record, which says what run this is, is damaged; nothing was changed`,
          hint: "restore the journal, or begin in another folder with --out",
        },
        exitCodes.disagreement,
      );
    terminal.out(
      quarantined.length === 0
        ? "nothing is damaged\n"
        : `put aside ${quarantined.length === 1 ? "line" : "lines"} ${quarantined.join(", ")} in ${file}; trials without a record are trained again by the next sweep or retry\n`,
    );
    return Promise.resolve(exitCodes.ok);
  } finally {
    lock.release();
    folder.close();
  }
}
