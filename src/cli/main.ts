/** The command line's one entrance, and the one place where errors become exit codes. */
import { createRequire } from "node:module";
import { CommanderError } from "commander";
import { UserError } from "../errors.ts";
import { listenToFaults } from "../faults.ts";
import { buildProgram } from "./commands.ts";
import { exitCodes } from "./exit-codes.ts";
import { Terminal } from "./terminal.ts";

const { version } = createRequire(import.meta.url)("../../../package.json") as { version: string };

const elsewhere = "choose another place: --out for runs, $MUTRANSFER_CACHE for what is kept between runs";
const makeRoom = "free some space; the same command continues";
/** Errors that the operating system reports about files, each with its way out. */
const ioErrors: ReadonlyMap<string, string> = new Map([
  ["EACCES", elsewhere],
  ["EPERM", elsewhere],
  ["EROFS", elsewhere],
  ["ENOENT", elsewhere],
  ["ENOTDIR", elsewhere],
  ["EISDIR", elsewhere],
  ["EEXIST", elsewhere],
  ["ENAMETOOLONG", elsewhere],
  ["ELOOP", elsewhere],
  ["ENOSPC", makeRoom],
  ["EDQUOT", makeRoom],
  ["EFBIG", makeRoom],
  ["EIO", "the disk reports an error; the same command continues elsewhere when the run folder is copied"],
  ["EMFILE", "raise the limit of open files (ulimit -n)"],
]);

/** Runs one command line (without node and script) and returns the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const terminal = new Terminal();
  listenToFaults();
  // So that a write beyond a size limit is an error like any other.
  if (process.platform !== "win32") process.on("SIGXFSZ", () => undefined);
  let code: number = exitCodes.ok;
  try {
    const program = buildProgram(terminal, version, (value) => (code = value));
    if (argv.length === 0) {
      terminal.err(program.helpInformation());
      return exitCodes.usage;
    }
    await program.parseAsync([...argv], { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    if (error instanceof UserError) {
      const { renderDiagnostics } = await import("../report/diagnostics.ts");
      terminal.err(`${renderDiagnostics(error.diagnostics, terminal.errStyle)}\n`);
      return exitCodes[error.kind];
    }
    const system = error as NodeJS.ErrnoException;
    if (system.code !== undefined && ioErrors.has(system.code)) {
      const { renderDiagnostic } = await import("../report/diagnostics.ts");
      const hint = ioErrors.get(system.code) ?? "";
      const place = system.path === undefined || system.message.includes(system.path) ? "" : ` (${system.path})`;
      terminal.err(`${renderDiagnostic({ code: "io_error", message: system.message + place, hint }, terminal.errStyle)}\n`);
      return exitCodes.io;
    }
    terminal.err(`internal error, please report it: ${(error as Error).stack ?? String(error)}\n`);
    return exitCodes.internal;
  }
}
