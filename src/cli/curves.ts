/** `mutransfer curves`: the study, and its curves as text or JSON. */
import { jsonText } from "../json.ts";
import { renderCurves } from "../report/curves.ts";
import { curves as study, type CurvesOptions } from "../studies/curves.ts";
import type { DisplayOptions } from "./display.ts";
import { exitCodes, type ExitCode } from "./exit-codes.ts";
import { openPlan } from "./files.ts";
import { ending, surroundings } from "./setting.ts";
import type { Terminal } from "./terminal.ts";

/** Options of `mutransfer curves`. */
export interface CurvesCommand extends CurvesOptions, DisplayOptions {}

/** Runs `mutransfer curves`. */
export function curves(file: string, options: CurvesCommand, terminal: Terminal, version: string): Promise<ExitCode> {
  const { display, setting } = surroundings(terminal, options, version);
  return ending(display, async () => {
    const { record, path } = await study(await openPlan(file), file, options, setting);
    terminal.out(options.json ? jsonText(record) : `${renderCurves(record, terminal.outStyle)}\nwrote ${path}\n`);
    const hasOptimum = record.families.some((family) => family.curves.some(({ optimum }) => optimum !== null));
    return hasOptimum ? exitCodes.ok : exitCodes.noSurvivor;
  });
}
