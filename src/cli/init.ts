/** `mutransfer init`: writes a commented spec to start from, or what a W&B sweep comes to; never overwrites one. */
import { writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { UserError } from "../errors.ts";
import { visible } from "../report/diagnostics.ts";
import { shellWord } from "../shell.ts";
import { specTemplate } from "../spec/template.ts";
import { readSpec } from "../studies/named-files.ts";
import { exitCodes, type ExitCode } from "./exit-codes.ts";
import type { Terminal } from "./terminal.ts";

/** Options of `mutransfer init`. */
export interface InitCommand {
  readonly from?: string;
}

/** Runs `mutransfer init`. */
export async function init(file: string, { from }: InitCommand, terminal: Terminal): Promise<ExitCode> {
  const text = from === undefined ? specTemplate : (await import("../spec/wandb.ts")).specFromSweep(readSpec(from).text, from);
  try {
    writeFileSync(file, text, { flag: "wx" });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") throw new UserError({ code: "file_exists", message: `${file} exists already`, hint: "give another name" });
    if (code === "ENOENT")
      throw new UserError({ code: "no_folder", message: `there is no folder ${dirname(file)}`, hint: "make it first" }, "io");
    throw error;
  }
  terminal.out(`wrote ${visible(file)}\n`);
  terminal.err(`next: mutransfer ${from === undefined ? "plan" : "validate"} ${shellWord(file)}\n`);
  return exitCodes.ok;
}
