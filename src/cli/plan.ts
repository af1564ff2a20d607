/** `mutransfer plan` and `sweep --dry-run`: a forecast as text or JSON, or the program that would be trained. */
import { jsonText } from "../json.ts";
import { visible } from "../report/diagnostics.ts";
import { renderForecast } from "../report/plan.ts";
import { checkProxy, forecast, programText, type ForecastOptions } from "../studies/forecast.ts";
import { exitCodes, type ExitCode } from "./exit-codes.ts";
import { openPlan } from "./files.ts";
import { ending, nothingKept, surroundings } from "./setting.ts";
import type { Terminal } from "./terminal.ts";

/** Options of `mutransfer plan`. */
export interface PlanCommand extends ForecastOptions {
  readonly json?: boolean;
  readonly program?: boolean;
}

/** Runs `mutransfer plan`. */
export function plan(file: string, options: PlanCommand, terminal: Terminal, version: string): Promise<ExitCode> {
  terminal.err(`${terminal.errStyle.dim(`reading ${visible(file)}`)}\n`);
  return printPlan(file, options, terminal, version);
}

/** Prints what a spec will cost: what is counted at once, and then what is timed; a dry run is no more than that. */
export async function printPlan(file: string, options: PlanCommand, terminal: Terminal, version: string): Promise<ExitCode> {
  const opened = await openPlan(file, checkProxy);
  if (options.program) {
    terminal.out(`${programText(opened, options.stack)}\n`);
    return exitCodes.ok;
  }
  const { json = false } = options;
  const { display, setting } = surroundings(terminal, { json }, version);
  const study = async (): Promise<ExitCode> => {
    const summary = await forecast(opened, options, setting);
    terminal.out(json ? jsonText(summary) : `${renderForecast(summary, terminal.outStyle)}\n`);
    return exitCodes.ok;
  };
  return ending(display, study, nothingKept);
}
