/**
 * The instructions that a program is lowered to, stated once as a table of operands;
 * a target may have a table of its own. The C structs that kernels read are made from
 * such a table, and so are the words in them. What an instruction computes stands at its kernel.
 */
import { invariant } from "../../errors.ts";

/** The operands of each kind of instruction. */
export const instructionFields = {
  embed: { buffers: ["table", "positions", "multiplier", "out"], numbers: ["width", "context", "firstRow", "rows"] },
  embedBackward: {
    buffers: ["dOut", "multiplier", "dTable", "dPositions"],
    numbers: ["width", "vocabulary", "context", "firstRow", "rows", "accumulate"],
  },
  transposeMatrix: { buffers: ["x", "out"], numbers: ["rows", "columns"] },
  normalize: { buffers: ["x", "normal", "inverse"], numbers: ["width", "rows", "centered"] },
  normalizeBackward: { buffers: ["dNormal", "normal", "inverse", "residual", "out"], numbers: ["width", "rows", "centered"] },
  matrixProduct: {
    buffers: ["a", "b", "gain", "multiplier", "initial", "out"],
    numbers: ["aRow", "aStep", "bRow", "bTransposed", "initialRow", "rows", "columns", "depth", "symmetric"],
  },
  biasRow: { buffers: ["shift", "weight", "bias", "multiplier", "out"], numbers: ["fanIn", "fanOut"] },
  columnSum: { buffers: ["x", "multiplier", "out"], numbers: ["rows", "columns", "accumulate"] },
  normGradients: {
    buffers: ["gradient", "weight", "gain", "shift", "dBias", "multiplier", "dGain", "dShift"],
    numbers: ["fanIn", "fanOut", "accumulate"],
  },
  turnHeads: { buffers: ["x", "gain", "multiplier", "turns", "out"], numbers: ["width", "headDim", "context", "rows"] },
  turnHeadsBackward: {
    buffers: ["dOut", "x", "gain", "multiplier", "turns", "dX", "products"],
    numbers: ["width", "headDim", "context", "rows"],
  },
  foldHeads: { buffers: ["x", "out"], numbers: ["headDim", "heads"] },
  attention: { buffers: ["query", "key", "value", "out", "stats"], numbers: ["width", "keyWidth", "headDim", "context", "rows"] },
  attentionBackward: {
    buffers: ["query", "key", "value", "stats", "dOut", "dQuery", "dKey", "dValue"],
    numbers: ["width", "keyWidth", "headDim", "context", "rows"],
  },
  gelu: { buffers: ["x", "out", "derivative"], numbers: ["lines"] },
  relu2: { buffers: ["x", "out", "derivative"], numbers: ["lines"] },
  swiglu: { buffers: ["gate", "up", "out"], numbers: ["lines"] },
  swigluBackward: { buffers: ["gate", "up", "dOut", "dGate", "dUp"], numbers: ["lines"] },
  add: { buffers: ["a", "b", "out"], numbers: ["lines"] },
  multiplyElements: { buffers: ["a", "b", "out"], numbers: ["lines"] },
  crossEntropy: { buffers: ["logits", "gradient", "losses", "zLoss"], numbers: ["firstRow", "rows", "totalRows", "vocabulary"] },
  meanLoss: { buffers: ["losses"], numbers: ["rows"] },
  squareSums: { buffers: ["x", "out"], numbers: ["rows", "columns"] },
  normFactor: { buffers: ["sums", "limit", "out"], numbers: ["count"] },
  adamw: {
    buffers: ["weight", "first", "second", "gradient", "scale", "learningRate", "decay", "epsilon", "beta1", "beta2"],
    numbers: ["lines"],
  },
  momentum: { buffers: ["gradient", "scale", "share", "momentum", "out"], numbers: ["lines"] },
  scaleElements: { buffers: ["x", "factor", "out"], numbers: ["lines"] },
  plusIdentity: { buffers: ["x", "factor", "amount", "out"], numbers: ["size"] },
  muon: { buffers: ["weight", "direction", "learningRate", "decay"], numbers: ["lines", "fanIn", "fanOut"] },
} as const;

/** A table of operands for each kind of instruction: `buffers` hold references, `numbers` sizes and flags. */
export type FieldTable = Readonly<Record<string, { readonly buffers: readonly string[]; readonly numbers: readonly string[] }>>;

/** A block of memory, in lines: part of one lane's state, or an intermediate value of the step. */
export interface Buffer {
  readonly lines: number;
  /** The line of the lane's memory at which it begins; absent for temporary buffers, which `placeBuffers` finds lines for. */
  readonly laneLine?: number;
  /** Whether it is made and used up by a few instructions: a target may run those for few lanes at a time, all in the same memory. */
  readonly isFleeting?: true;
}
/** A reference to what lies in a buffer from some line on. */
export interface Operand {
  readonly buffer: Buffer;
  readonly line: number;
}

/** An instruction of kind K of a table. */
export type InstructionOf<T extends FieldTable, K extends keyof T> = { readonly kind: K } & {
  readonly [B in T[K]["buffers"][number]]: Operand | undefined;
} & { readonly [V in T[K]["numbers"][number]]: number };
/** An instruction of any kind of a table. */
export type InstructionIn<T extends FieldTable> = { [K in keyof T]: InstructionOf<T, K> }[keyof T];
/** Any instruction for one lane. */
export type Instruction = InstructionIn<typeof instructionFields>;

/** Operands of an instruction, in the order of the table; undefined where it has none. */
export function allOperandsOf<T extends FieldTable>(table: T, instruction: InstructionIn<T>): readonly (Operand | undefined)[] {
  const values = instruction as unknown as Readonly<Record<string, Operand | undefined>>;
  return table[instruction.kind].buffers.map((name) => values[name]);
}
/** Operands in temporary buffers: those that are no part of the lane's state, and so have to be given lines. */
export const temporaryOperands = <T extends FieldTable>(table: T, instruction: InstructionIn<T>): readonly Operand[] =>
  allOperandsOf(table, instruction).filter((operand) => operand !== undefined && operand.buffer.laneLine === undefined) as Operand[];

/** Words of an instruction as its struct has them, -1 for an operand that it lacks; `reference` gives an operand's line. */
export function wordsOf<T extends FieldTable>(
  table: T,
  instruction: InstructionIn<T>,
  reference: (operand: Operand) => number,
): readonly number[] {
  const values = instruction as unknown as Readonly<Record<string, number>>;
  const words = [
    ...allOperandsOf(table, instruction).map((operand) => (operand ? reference(operand) : -1)),
    ...table[instruction.kind].numbers.map((name) => values[name]),
  ];
  invariant(
    words.every((word) => Number.isInteger(word) && Math.abs(word) < 2 ** 31),
    "wordsOf",
    `an operand of ${String(instruction.kind)} exceeds 32 bits`,
  );
  return words;
}

/** A name in snake case, as C structs have it. */
export const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
/** A kind of instruction as the name of its C struct. */
export const typeName = (name: string): string => name[0].toUpperCase() + name.slice(1);

/** A C struct of members of one type. */
export const cStruct = (name: string, type: string, members: readonly string[]): string =>
  `typedef struct {\n  ${type} ${members.map(snake).join(", ")};\n} ${typeName(name)};`;
/** The structs that the instructions of a table are for C. */
export const instructionStructs = (table: FieldTable): readonly string[] =>
  Object.entries(table).map(([kind, { buffers, numbers }]) => cStruct(kind, "int32_t", [...buffers, ...numbers]));
