/** `mutransfer repair`: puts damaged lines of a journal aside. */
import { visible } from "../report/diagnostics.ts";
import { repair as study } from "../studies/repair.ts";
import { exitCodes, type ExitCode } from "./exit-codes.ts";
import type { Terminal } from "./terminal.ts";

/** Runs `mutransfer repair`. */
export function repair(path: string, terminal: Terminal): Promise<ExitCode> {
  const { quarantined, file } = study(path);
  terminal.out(
    quarantined.length === 0
      ? "nothing is damaged\n"
      : `put aside ${quarantined.length === 1 ? "line" : "lines"} ${quarantined.join(", ")} in ${visible(file)}; trials without a record are trained again by the next sweep or retry\n`,
  );
  return Promise.resolve(exitCodes.ok);
}
