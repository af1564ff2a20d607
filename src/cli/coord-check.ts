/** `mutransfer coord-check`: the study, and its verdict as text, JSON and exit code. */
import { jsonText } from "../json.ts";
import { renderCoordCheck } from "../report/coord-check.ts";
import { visible } from "../report/diagnostics.ts";
import { checkCoordinates as study, type CoordCheckOptions, type Verdict } from "../studies/coord-check.ts";
import type { DisplayOptions } from "./display.ts";
import { exitCodes, type ExitCode } from "./exit-codes.ts";
import { openPlan } from "./files.ts";
import { ending, nothingKept, surroundings } from "./setting.ts";
import type { Terminal } from "./terminal.ts";

/** Options of `mutransfer coord-check`. */
export interface CoordCheckCommand extends CoordCheckOptions, DisplayOptions {}

const codes: { readonly [V in Verdict]: ExitCode } = {
  PASS: exitCodes.ok,
  WARN: exitCodes.ok,
  FAIL: exitCodes.refuted,
  INCONCLUSIVE: exitCodes.inconclusive,
};

/** Runs `mutransfer coord-check`. */
export async function checkCoordinates(file: string, options: CoordCheckCommand, terminal: Terminal, version: string): Promise<ExitCode> {
  const { display, setting } = surroundings(terminal, options, version);
  display.say(terminal.errStyle.dim(`reading ${visible(file)}`));
  const plan = await openPlan(file);
  const check = async (): Promise<ExitCode> => {
    const { record, path } = await study(plan, options, setting);
    terminal.out(options.json ? jsonText(record) : `${renderCoordCheck(record, terminal.outStyle)}\n`);
    display.say(terminal.errStyle.dim(`wrote ${visible(path)}`));
    return codes[record.verdict];
  };
  return ending(display, check, nothingKept);
}
