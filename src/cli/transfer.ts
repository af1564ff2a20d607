/** `mutransfer transfer`: the study, and the target that it has trained as text or JSON. */
import { jsonText } from "../json.ts";
import { visible } from "../report/diagnostics.ts";
import { dataNotes, renderNotes } from "../report/notes.ts";
import { renderTarget } from "../report/target.ts";
import { transfer as study, type TransferOptions } from "../studies/transfer.ts";
import type { DisplayOptions } from "./display.ts";
import { exitCodes, type ExitCode } from "./exit-codes.ts";
import { readResultsFile } from "../studies/named-files.ts";
import { ending, surroundings } from "./setting.ts";
import type { Terminal } from "./terminal.ts";

/** Options of `mutransfer transfer`. */
export interface TransferCommand extends TransferOptions, DisplayOptions {
  readonly best: string;
}

/** Runs `mutransfer transfer`. */
export function transfer(options: TransferCommand, terminal: Terminal, version: string): Promise<ExitCode> {
  const { display, setting } = surroundings(terminal, options, version);
  display.say(terminal.errStyle.dim(`reading ${visible(options.best)}`));
  return ending(
    display,
    async () => {
      const results = { text: readResultsFile(options.best), file: options.best };
      const { plan, launch, best, record, generalization, path, ...end } = await study(results, options, setting);
      const ended = { ...end, proxyValidationLoss: best.validation_loss, path };
      const view = { width: launch.size.width, proxyWidth: plan.spec.width.proxy, parameters: record.parameters };
      const holds = end.verdict.word === "holds";
      terminal.out(options.json ? jsonText(record) : `${renderTarget(view, ended, terminal.outStyle)}\n`);
      if (options.json && !holds) display.say(renderTarget(view, ended, terminal.errStyle));
      display.say(renderNotes(dataNotes(generalization, "the target"), terminal.errStyle));
      return holds ? exitCodes.ok : exitCodes.noSurvivor;
    },
    () => "interrupted: the target was not finished; the same command goes on from its last checkpoint",
  );
}
