/** `mutransfer retry`: trains some trials of a run again, and then whatever else it lacks. */
import { retry as study, type RetryOptions } from "../studies/retry.ts";
import type { DisplayOptions } from "./display.ts";
import type { ExitCode } from "./exit-codes.ts";
import { ending, surroundings } from "./setting.ts";
import { printSweep } from "./sweep.ts";
import type { Terminal } from "./terminal.ts";

/** Options of `mutransfer retry`. */
export type RetryCommand = Omit<RetryOptions, "ids"> & DisplayOptions;

/** Runs `mutransfer retry`. */
export function retry(
  folder: string,
  ids: readonly number[],
  options: RetryCommand,
  terminal: Terminal,
  version: string,
): Promise<ExitCode> {
  const { display, setting } = surroundings(terminal, options, version);
  return ending(display, async () => printSweep(await study(folder, { ...options, ids }, setting), options, terminal, display));
}
