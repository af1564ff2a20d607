/**
 * A program as text, one op a line with the shapes of what it writes, for people
 * who want to see what is trained. Equal programs give equal text.
 */
import type { Op, Ref } from "./ops.ts";
import { shapeOf, type Program } from "./program.ts";

/** Operands in reading order: an op's own fields, with nested branches and without the forward op itself. */
function operands(fields: object): string {
  return Object.entries(fields)
    .filter(([key]) => key !== "kind" && key !== "of")
    .map(([key, value]) =>
      Array.isArray(value)
        ? value.map((each: object | string) => (typeof each === "string" ? each : `(${operands(each)})`)).join(" ")
        : `${key}=${String(value)}`,
    )
    .join(" ");
}

/** The text of a program. */
export function dumpProgram(program: Program): string {
  const { trials, batch, context } = program.dims;
  const shape = (ref: Ref): string => `[${shapeOf(program, ref).join(",")}]`;
  const line = (op: Op): string => `  ${op.kind} ${operands(op)}`;
  return [
    `N=${trials} B=${batch} T=${context}`,
    "scalars",
    ...program.scalars.map((ref) => `  ${ref} ${shape(ref)}`),
    "parameters",
    ...program.parameters.map((ref) => `  ${ref} ${shape(ref)}`),
    "forward",
    ...program.forward.map(line),
    "backward",
    ...program.backward.map(line),
    "updates",
    ...[...(program.clip ? [program.clip] : []), ...program.updates].map(line),
  ].join("\n");
}
