/** `mutransfer validate`: every mistake of a spec and its data at once, or one line that says it is sound. */
import { countOf } from "../numbers.ts";
import { visible } from "../report/diagnostics.ts";
import { exitCodes, type ExitCode } from "./exit-codes.ts";
import { openPlan } from "./files.ts";
import type { Terminal } from "./terminal.ts";

/** Runs `mutransfer validate`. */
export async function validate(file: string, terminal: Terminal): Promise<ExitCode> {
  const { spec, dataset } = await openPlan(file);
  const { method, trials } = spec.search;
  terminal.out(
    `${visible(file)}: ok, ${trials} ${method} trials at width ${spec.width.proxy} for a target of width ${spec.width.target}, ${countOf(dataset.train.count)} training tokens, vocabulary ${dataset.vocabSize}\n`,
  );
  return exitCodes.ok;
}
