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
      Array.isArray(value) ? value.map((branch: object) => `(${operands(branch)})`).join(" ") : `${key}=${String(value)}`,
    )
    .join(" ");
}

const sections = ["forward", "backward", "updates"] as const;

/** The text of a program. */
export function dumpProgram(program: Program): string {
  const { trials, batch, context } = program.dims;
  const shape = (ref: Ref): string => `[${shapeOf(program, ref).join(",")}]`;
  const line = (op: Op): string => `  ${op.kind} ${operands(op)}`;
  return [
    `N=${trials} B=${batch} T=${context} beta1=${program.beta1} beta2=${program.beta2}`,
    "scalars",
    ...program.scalars.map((ref) => `  ${ref} ${shape(ref)}`),
    "parameters",
    ...program.parameters.map((ref) => `  ${ref} ${shape(ref)}`),
    ...sections.flatMap((section) => [section, ...program[section].map(line)]),
  ].join("\n");
}
