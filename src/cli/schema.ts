/** `mutransfer schema`: the spec's JSON schema, or its reference as Markdown. */
import { renderReference } from "../report/reference.ts";
import { jsonSchema } from "../spec/schema.ts";
import { exitCodes, type ExitCode } from "./exit-codes.ts";
import type { Terminal } from "./terminal.ts";

/** Options of `mutransfer schema`. */
export interface SchemaCommand {
  readonly markdown?: boolean;
}

/** Runs `mutransfer schema`. */
export function schema({ markdown }: SchemaCommand, terminal: Terminal): Promise<ExitCode> {
  terminal.out(`${markdown ? renderReference(jsonSchema()) : JSON.stringify(jsonSchema(), null, 2)}\n`);
  return Promise.resolve(exitCodes.ok);
}
