/**
 * The three products around a weight as instructions: forward, towards the input,
 * and towards the weight. Norm gains and multipliers are folded into the weight
 * while it is packed.
 */
import type { Ref } from "../../program/ops.ts";
import type { Operand } from "./instructions.ts";
import type { Lowering } from "./lowering.ts";
import { rowLength } from "./memory.ts";

/** out [rows, fanOut] = initial + x·(multiplier·gain ⊙ weight), from some row on. */
export function forwardProduct(
  l: Lowering,
  options: {
    x: Operand;
    weight: Ref;
    out: Operand;
    gain?: Ref;
    multiplier?: Ref | undefined;
    initial: Operand | undefined;
    initialRow: number;
    rows: number;
  },
): void {
  const { rows: fanIn, columns: fanOut } = l.matrix(options.weight);
  l.emit({
    kind: "matrixProduct",
    a: options.x,
    b: l.operand(options.weight),
    gain: l.optional(options.gain),
    multiplier: l.optional(options.multiplier),
    initial: options.initial,
    out: options.out,
    aRow: rowLength(fanIn),
    aStep: 1,
    bRow: rowLength(fanOut),
    bTransposed: 0,
    initialRow: options.initialRow,
    rows: options.rows,
    columns: fanOut,
    depth: fanIn,
  });
}

/** dX [rows, fanIn] (+)= dOut·(multiplier·gain ⊙ weight)ᵀ. */
export function inputGradient(
  l: Lowering,
  options: {
    dOut: Operand;
    weight: Ref;
    dX: Operand;
    gain?: Ref;
    multiplier?: Ref | undefined;
    accumulate: boolean;
    rows: number;
  },
): void {
  const { rows: fanIn, columns: fanOut } = l.matrix(options.weight);
  l.emit({
    kind: "matrixProduct",
    a: options.dOut,
    b: l.operand(options.weight),
    gain: l.optional(options.gain),
    multiplier: l.optional(options.multiplier),
    initial: options.accumulate ? options.dX : undefined,
    out: options.dX,
    aRow: rowLength(fanOut),
    aStep: 1,
    bRow: rowLength(fanOut),
    bTransposed: 1,
    initialRow: rowLength(fanIn),
    rows: options.rows,
    columns: fanIn,
    depth: fanOut,
  });
}

/** dWeight [fanIn, fanOut] (+)= xᵀ·dOut over some rows. */
export function weightGradient(
  l: Lowering,
  options: { x: Operand; dOut: Operand; dWeight: Operand; weight: Ref; accumulate: boolean; rows: number },
): void {
  const { rows: fanIn, columns: fanOut } = l.matrix(options.weight);
  l.emit({
    kind: "matrixProduct",
    a: options.x,
    b: options.dOut,
    gain: undefined,
    multiplier: undefined,
    initial: options.accumulate ? options.dWeight : undefined,
    out: options.dWeight,
    aRow: 1,
    aStep: rowLength(fanIn),
    bRow: rowLength(fanOut),
    bTransposed: 0,
    initialRow: rowLength(fanOut),
    rows: fanIn,
    columns: fanOut,
    depth: options.rows,
  });
}
