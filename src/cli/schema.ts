/** `mutransfer schema`: the spec's JSON schema. */
import { exitCodes, type ExitCode } from "../errors.ts";
import { jsonSchema } from "../spec/schema.ts";
import type { Terminal } from "./terminal.ts";

export function schema(terminal: Terminal): Promise<ExitCode> {
  terminal.out(`${JSON.stringify(jsonSchema(), null, 2)}\n`);
  return Promise.resolve(exitCodes.ok);
}
