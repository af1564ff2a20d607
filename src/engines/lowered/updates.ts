/**
 * Muon's update as instructions, and the factor that clips gradients: products are the
 * matrix products that everything uses, with half of each left out where it is symmetric.
 */
import { newtonSchulz, type OpOf } from "../../program/ops.ts";
import type { instructionFields, InstructionOf, Operand } from "./instructions.ts";
import type { Lowering } from "./lowering.ts";
import type { Matrix } from "./memory.ts";

/** Sums of squares of some matrices' rows, each matrix's from a line of its own with zeros to its end: where they begin, and how many floats they take. */
function squareSums(
  l: Lowering,
  matrices: readonly { readonly x: Operand; readonly matrix: Matrix }[],
): { readonly sums: Operand; readonly count: number } {
  const lines = matrices.map(({ matrix: { rows } }) => l.linesOf(rows));
  const total = lines.reduce((a, b) => a + b, 0);
  const sums = l.temporary(total);
  let line = 0;
  matrices.forEach(({ x, matrix }, index) => {
    l.emit({ kind: "squareSums", x, out: { ...sums, line }, ...matrix });
    line += lines[index];
  });
  return { sums, count: total * l.target.layout.lineFloats };
}

/** The lowering of `clip`. */
export function clip({ gradients, limit, out }: OpOf<"clip">, l: Lowering): void {
  const found = squareSums(
    l,
    gradients.map((ref) => ({ x: l.operand(ref), matrix: l.matrix(ref) })),
  );
  l.emit({ kind: "normFactor", ...found, limit: l.laneMemory.constant(limit), out: l.operand(out) });
}

type Bare = "kind" | "gain" | "multiplier" | "initial" | "initialRow";
/** A product of two matrices and nothing else; of a symmetric one only what is above the diagonal is computed. */
const emitProduct = (l: Lowering, fields: Omit<InstructionOf<typeof instructionFields, "matrixProduct">, Bare>): void =>
  l.emit({ kind: "matrixProduct", gain: undefined, multiplier: undefined, initial: undefined, initialRow: 0, ...fields });

/** out = x·xᵀ, or xᵀ·x. */
function square(l: Lowering, x: Operand, { rows, columns }: Matrix, by: "rows" | "columns", out: Operand): void {
  const [n, depth, row] = [by === "rows" ? rows : columns, by === "rows" ? columns : rows, l.rowLength(columns)];
  emitProduct(l, {
    ...{ a: x, aRow: by === "rows" ? row : 1, aStep: by === "rows" ? 1 : row },
    ...{ b: x, bRow: row, bTransposed: Number(by === "rows") },
    ...{ out, rows: n, columns: n, depth, symmetric: 1 },
  });
}
/** out [rows, columns] = a·b. */
function product(l: Lowering, a: Operand, b: Operand, { rows, columns }: Matrix, depth: number, symmetric: 0 | 1, out: Operand): void {
  emitProduct(l, {
    ...{ a, aRow: l.rowLength(depth), aStep: 1, b, bRow: l.rowLength(columns), bTransposed: 0 },
    ...{ out, rows, columns, depth, symmetric },
  });
}

/** The lowering of `muon`. */
export function muon({ parameter, gradient, scale, learningRate, decay, momentum: share }: OpOf<"muon">, l: Lowering): void {
  const { laneMemory } = l;
  const [weight, momentum] = [l.operand(parameter), laneMemory.part(parameter, "momentum")];
  const matrix = l.matrix(parameter);
  const { rows: fanIn, columns: fanOut } = matrix;
  const isTall = fanIn > fanOut;
  const size = Math.min(fanIn, fanOut);
  const { lines } = weight.buffer;
  const squareLines = l.matrixLines({ rows: size, columns: size });
  const ahead = l.temporary(lines);
  l.emit({
    kind: "momentum",
    gradient: l.operand(gradient),
    scale: l.optional(scale),
    share: laneMemory.constant(share),
    momentum,
    out: ahead,
    lines,
  });
  const found = squareSums(l, [{ x: ahead, matrix }]);
  const factor = l.temporary(1);
  l.emit({ kind: "normFactor", ...found, limit: undefined, out: factor });
  l.emit({ kind: "scaleElements", x: ahead, factor, out: ahead, lines });

  const [a, b, c] = [newtonSchulz.a, newtonSchulz.b, newtonSchulz.c].map((value) => laneMemory.constant(value));
  let x = ahead;
  for (let step = 0; step < newtonSchulz.steps; step++) {
    const [squared, inner, outer] = [l.temporary(squareLines), l.temporary(squareLines), l.temporary(squareLines)];
    square(l, x, matrix, isTall ? "columns" : "rows", squared);
    l.emit({ kind: "plusIdentity", x: squared, factor: undefined, amount: undefined, out: squared, size });
    l.emit({ kind: "plusIdentity", x: squared, factor: c, amount: b, out: inner, size });
    product(l, squared, inner, { rows: size, columns: size }, size, 1, outer);
    l.emit({ kind: "plusIdentity", x: outer, factor: undefined, amount: a, out: outer, size });
    const next = l.temporary(lines);
    if (isTall) product(l, x, outer, matrix, size, 0, next);
    else product(l, outer, x, matrix, size, 0, next);
    x = next;
  }
  l.emit({ kind: "muon", weight, direction: x, learningRate: l.operand(learningRate), decay: l.optional(decay), lines, fanIn, fanOut });
}
