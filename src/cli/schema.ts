/** `mutransfer schema`: the spec's JSON schema, or its reference as Markdown. */
import { exitCodes, type ExitCode } from "../errors.ts";
import { renderReference } from "../report/reference.ts";
import { jsonSchema } from "../spec/schema.ts";
import type { Terminal } from "./terminal.ts";

export interface SchemaCommand {
  readonly markdown?: boolean;
}

export function schema({ markdown }: SchemaCommand, terminal: Terminal): Promise<ExitCode> {
  terminal.out(`${markdown ? renderReference(jsonSchema()) : JSON.stringify(jsonSchema(), null, 2)}\n`);
  return Promise.resolve(exitCodes.ok);
}
