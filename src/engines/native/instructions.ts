/**
 * The instructions that the C kernels understand, stated once: the header the
 * kernels are compiled with is made from these tables, and so are the words they
 * read. What each instruction computes stands at its kernel in kernels/kernels.c.
 */
import { invariant } from "../../errors.ts";

/** Floats in a line: one AVX-512 vector, one cache line. Every row of a matrix starts on one. */
export const lineFloats = 16;
/** Rows of a multiple of this many lines get one more, see `rowLength`. */
export const crowdedLines = 16;

/** Operands: `buffers` hold references, `numbers` sizes and flags. */
export const instructionFields = {
  embed: { buffers: ["table", "positions", "multiplier", "out"], numbers: ["width", "context", "firstRow", "rows"] },
  embedBackward: {
    buffers: ["dOut", "multiplier", "dTable", "dPositions"],
    numbers: ["width", "vocabulary", "context", "firstRow", "rows", "accumulate"],
  },
  normalize: { buffers: ["x", "normal", "inverse"], numbers: ["width", "rows"] },
  normalizeBackward: { buffers: ["dNormal", "normal", "inverse", "residual", "out"], numbers: ["width", "rows"] },
  matrixProduct: {
    buffers: ["a", "b", "gain", "multiplier", "initial", "out"],
    numbers: ["aRow", "aStep", "bRow", "bTransposed", "initialRow", "rows", "columns", "depth"],
  },
  biasRow: { buffers: ["shift", "weight", "bias", "multiplier", "out"], numbers: ["fanIn", "fanOut"] },
  columnSum: { buffers: ["x", "multiplier", "out"], numbers: ["rows", "columns", "accumulate"] },
  normGradients: {
    buffers: ["gradient", "weight", "gain", "shift", "dBias", "multiplier", "dGain", "dShift"],
    numbers: ["fanIn", "fanOut", "accumulate"],
  },
  attention: { buffers: ["query", "key", "value", "out", "stats"], numbers: ["width", "headDim", "context", "rows"] },
  attentionBackward: {
    buffers: ["query", "key", "value", "stats", "dOut", "dQuery", "dKey", "dValue"],
    numbers: ["width", "headDim", "context", "rows"],
  },
  gelu: { buffers: ["x", "out", "derivative"], numbers: ["lines"] },
  add: { buffers: ["a", "b", "out"], numbers: ["lines"] },
  multiplyElements: { buffers: ["a", "b", "out"], numbers: ["lines"] },
  crossEntropy: { buffers: ["logits", "gradient", "losses"], numbers: ["firstRow", "rows", "totalRows", "vocabulary"] },
  meanLoss: { buffers: ["losses"], numbers: ["rows"] },
  adamw: {
    buffers: ["weight", "first", "second", "gradient", "learningRate", "decay", "epsilon", "beta1", "beta2"],
    numbers: ["lines"],
  },
} as const;

/** What one call of the library is given, 64 bits each; addresses and sizes in floats or elements. */
export const callFields = [
  ...["code", "words", "lanes", "laneFloats", "workspaceFloats", "scratchFloats", "steps", "tokensPerStep", "threads", "mixed"],
  ...["state", "workspaces", "scratch", "tokens", "targets", "factors", "stepSizes", "epsilonScales", "losses"],
] as const;

type Fields = typeof instructionFields;
export type InstructionKind = keyof Fields;

/** Memory of one trial's state (`lane`) or of the step's intermediate values, in lines of 16 floats. */
export interface Buffer {
  readonly lines: number;
  /** Position in the lane; absent for buffers whose place in the workspace is found by `placeBuffers`. */
  readonly lanePosition?: number;
}
/** A buffer from some line on. */
export interface Operand {
  readonly buffer: Buffer;
  readonly line: number;
}

type InstructionOf<K extends InstructionKind> = { readonly kind: K } & {
  readonly [B in Fields[K]["buffers"][number]]: Operand | undefined;
} & { readonly [V in Fields[K]["numbers"][number]]: number };
export type Instruction = { [K in InstructionKind]: InstructionOf<K> }[InstructionKind];

/** Operands of an instruction, in the order of the table. */
export function operandsOf(instruction: Instruction): readonly (Operand | undefined)[] {
  const values = instruction as unknown as Readonly<Record<string, Operand | undefined>>;
  return instructionFields[instruction.kind].buffers.map((name) => values[name]);
}

const kinds = Object.keys(instructionFields) as readonly InstructionKind[];

/** Words [kind, length, references, numbers] of all instructions; `reference` gives an operand's line. */
export function encodeInstructions(instructions: readonly Instruction[], reference: (operand: Operand) => number): Int32Array {
  const words: number[] = [];
  for (const instruction of instructions) {
    const { buffers, numbers } = instructionFields[instruction.kind];
    const values = instruction as unknown as Readonly<Record<string, number>>;
    words.push(kinds.indexOf(instruction.kind), 2 + buffers.length + numbers.length);
    words.push(...operandsOf(instruction).map((operand) => (operand ? reference(operand) : -1)));
    words.push(...numbers.map((name) => values[name]));
  }
  invariant(
    words.every((word) => Math.abs(word) < 2 ** 31),
    "encodeInstructions",
    "a reference exceeds 32 bits",
  );
  return Int32Array.from(words);
}

const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const typeName = (name: string): string => name[0].toUpperCase() + name.slice(1);

/** The C header that belongs to the tables above. */
export function instructionHeader(): string {
  const struct = (name: string, type: string, fields: readonly string[]): string =>
    `typedef struct {\n  ${type} ${fields.map(snake).join(", ")};\n} ${name};`;
  return [
    "/* Made from instructions.ts. */",
    "#pragma once",
    "#include <stdint.h>",
    `#define LINE ${lineFloats}`,
    `#define CROWDED_LINES ${crowdedLines}`,
    `enum { ${kinds.map((kind) => snake(kind).toUpperCase()).join(", ")} };`,
    ...kinds.map((kind) => struct(typeName(kind), "int32_t", [...instructionFields[kind].buffers, ...instructionFields[kind].numbers])),
    struct("Call", "int64_t", callFields),
    `#define EACH_INSTRUCTION(do) ${kinds.map((kind) => `do(${snake(kind).toUpperCase()}, ${snake(kind)}, ${typeName(kind)})`).join(" ")}`,
    "",
  ].join("\n");
}
