/** The command line's one entrance, and the one place where errors become exit codes. */
import { createRequire } from "node:module";
import { CommanderError } from "commander";
import { UserError } from "../errors.ts";
import { listenToFaults } from "../faults.ts";
import { asUserError } from "../studies/system-errors.ts";
import { buildProgram } from "./commands.ts";
import { exitCodes } from "./exit-codes.ts";
import { Terminal } from "./terminal.ts";

const { version } = createRequire(import.meta.url)("../../../package.json") as { version: string };

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
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    const error = asUserError(thrown);
    if (error instanceof UserError) {
      const { renderDiagnostics } = await import("../report/diagnostics.ts");
      terminal.err(`${renderDiagnostics(error.diagnostics, terminal.errStyle)}\n`);
      return exitCodes[error.kind];
    }
    terminal.err(`internal error, please report it: ${(error as Error).stack ?? String(error)}\n`);
    return exitCodes.internal;
  }
}
