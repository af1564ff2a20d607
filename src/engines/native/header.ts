/**
 * What the C kernels are told: the instructions and how one call is stated, as the
 * header that they are compiled with and as the words that they read.
 */
import {
  cStruct,
  instructionFields,
  instructionStructs,
  snake,
  typeName,
  wordsOf,
  type Instruction,
  type Operand,
} from "../lowered/instructions.ts";
import { layout } from "./target.ts";

/** What one call of the library is given, 64 bits each; addresses and sizes in floats or elements. */
export const callFields = [
  ...["code", "words", "lanes", "laneFloats", "workspaceFloats", "scratchFloats", "steps", "tokensPerStep", "threads", "mixed"],
  ...["state", "workspaces", "scratch", "tokens", "targets", "factors", "stepSizes", "epsilonScales", "losses"],
] as const;

const kinds = Object.keys(instructionFields) as readonly (keyof typeof instructionFields)[];

/** Words [kind, length, references, numbers] of all instructions; `reference` gives an operand's line. */
export const encodeInstructions = (instructions: readonly Instruction[], reference: (operand: Operand) => number): Int32Array =>
  Int32Array.from(
    instructions.flatMap((instruction) => {
      const words = wordsOf(instructionFields, instruction, reference);
      return [kinds.indexOf(instruction.kind), 2 + words.length, ...words];
    }),
  );

/** The C header that belongs to the tables. */
export function instructionHeader(): string {
  const each = kinds.map((kind) => `do(${snake(kind).toUpperCase()}, ${snake(kind)}, ${typeName(kind)})`);
  return [
    "/* Made from instructions.ts. */",
    "#pragma once",
    "#include <stdint.h>",
    `#define LINE ${layout.lineFloats}`,
    `#define CROWDED_LINES ${layout.crowdedLines}`,
    `enum { ${kinds.map((kind) => snake(kind).toUpperCase()).join(", ")} };`,
    ...instructionStructs(instructionFields),
    cStruct("call", "int64_t", callFields),
    `#define EACH_INSTRUCTION(do) ${each.join(" ")}`,
    "",
  ].join("\n");
}
