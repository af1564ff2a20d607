/** What the command line gives every study: this machine, its clock, a display, and signals to be stopped by. */
import { engineHost } from "../cache.ts";
import type { Setting } from "../studies/setting.ts";
import { Stopped, type Left } from "../studies/stopping.ts";
import { Display, type DisplayOptions } from "./display.ts";
import type { ExitCode } from "./exit-codes.ts";
import { bySignals, stoppedCode } from "./interrupt.ts";
import type { Terminal } from "./terminal.ts";

/** A study's surroundings, and where they are shown. */
export function surroundings(terminal: Terminal, options: DisplayOptions, version: string): { display: Display; setting: Setting } {
  const display = new Display(terminal, options);
  return {
    display,
    setting: {
      // Decided when it is first needed: what is refused before that leaves nothing behind.
      get host() {
        return engineHost();
      },
      versions: { mutransfer: version, node: process.version },
      now: () => terminal.now(),
      emit: display.emit,
      stopping: bySignals,
    },
  };
}

const stoppedTexts: { readonly [L in Left]: string } = {
  nothing: "interrupted before the first step",
  something: "interrupted: the same command continues from the journal and the last checkpoints",
  everything: "interrupted: what was finished is in the journal, what was begun is in checkpoints; the same command continues from there",
};

/** What is said of a study that leaves nothing to go on from. */
export const nothingKept = (): string => "interrupted: nothing was written";

/** Runs a study to its exit code; when it was stopped, says what is left to go on from. */
export async function ending(
  display: Display,
  study: () => Promise<ExitCode>,
  text = (left: Left) => stoppedTexts[left],
): Promise<ExitCode> {
  try {
    return await study();
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
    display.tell(text(error.left));
    return stoppedCode();
  }
}
