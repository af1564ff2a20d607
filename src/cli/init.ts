/** `mutransfer init`: writes a commented spec to start from; never overwrites one. */
import { writeFileSync } from "node:fs";
import { UserError } from "../errors.ts";
import { shellWord } from "../shell.ts";
import { specTemplate } from "../spec/template.ts";
import { exitCodes, type ExitCode } from "./exit-codes.ts";
import type { Terminal } from "./terminal.ts";

/** Runs `mutransfer init`. */
export function init(file: string, terminal: Terminal): Promise<ExitCode> {
  try {
    writeFileSync(file, specTemplate, { flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw new UserError({ code: "file_exists", message: `${file} exists already`, hint: "give another name" });
  }
  terminal.out(`wrote ${file}\n`);
  terminal.err(`next: mutransfer plan ${shellWord(file)}\n`);
  return Promise.resolve(exitCodes.ok);
}
