/** `mutransfer curves`: the study, and its curves as text or JSON; the verdict on the spec's own parametrization as exit code. */
import { jsonText } from "../json.ts";
import { renderCurves } from "../report/curves.ts";
import { visible } from "../report/diagnostics.ts";
import { curves as study, type CurvesOptions, type TransferVerdict } from "../studies/curves.ts";
import type { DisplayOptions } from "./display.ts";
import { exitCodes, type ExitCode } from "./exit-codes.ts";
import { openPlan } from "./files.ts";
import { ending, surroundings } from "./setting.ts";
import type { Terminal } from "./terminal.ts";

/** Options of `mutransfer curves`. */
export interface CurvesCommand extends CurvesOptions, DisplayOptions {}

const codes: { readonly [V in TransferVerdict]: ExitCode } = {
  TRANSFERS: exitCodes.ok,
  DOES_NOT_TRANSFER: exitCodes.refuted,
  INCONCLUSIVE: exitCodes.inconclusive,
};

/** Runs `mutransfer curves`. */
export function curves(file: string, options: CurvesCommand, terminal: Terminal, version: string): Promise<ExitCode> {
  const { display, setting } = surroundings(terminal, options, version);
  return ending(display, async () => {
    const { record, path } = await study(await openPlan(file), file, options, setting);
    terminal.out(options.json ? jsonText(record) : `${renderCurves(record, terminal.outStyle)}\nwrote ${visible(path)}\n`);
    const hasOptimum = record.families.some((family) => family.curves.some(({ optimum }) => optimum !== null));
    if (!hasOptimum) return exitCodes.noSurvivor;
    // What others come to is shown beside it, and expected to be bad.
    return record.verdict === null ? exitCodes.ok : codes[record.verdict];
  });
}
