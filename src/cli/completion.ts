/** `mutransfer completion`: a script that completes commands, options and paths in a shell. */
import { completionScripts, type Shell } from "../report/command-line/completion.ts";
import type { CommandLine } from "../report/command-line/command-line.ts";
import { exitCodes, type ExitCode } from "./exit-codes.ts";
import type { Terminal } from "./terminal.ts";

/** Runs `mutransfer completion`. */
export function completion(shell: Shell, commandLine: CommandLine, terminal: Terminal): Promise<ExitCode> {
  terminal.out(completionScripts[shell](commandLine));
  return Promise.resolve(exitCodes.ok);
}
