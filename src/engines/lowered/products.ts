/**
 * The three products around a weight as instructions: forward, towards the weight,
 * and towards the input. Norm gains and multipliers are folded into the weight
 * while it is packed.
 */
import type { Ref } from "../../program/ops.ts";
import type { Operand } from "./instructions.ts";
import type { Lowering } from "./lowering.ts";

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
    aRow: l.rowLength(fanIn),
    aStep: 1,
    bRow: l.rowLength(fanOut),
    bTransposed: 0,
    initialRow: options.initialRow,
    rows: options.rows,
    columns: fanOut,
    depth: fanIn,
    symmetric: 0,
  });
}

/**
 * The gradients of out = x·(multiplier·gain ⊙ weight) + bias over some rows:
 * dWeight [fanIn, fanOut] (+)= xᵀ·dOut, without gain, and without multiplier unless `scalesWeightGradient`; dBias (+)= multiplier·Σ dOut, both starting anew
 * with the first rows of the batch; dX [rows, fanIn] (+)= dOut·(multiplier·gain ⊙ weight)ᵀ.
 */
export function productGradients(
  l: Lowering,
  options: {
    x: Operand;
    weight: Ref;
    gain?: Ref;
    multiplier?: Ref | undefined;
    scalesWeightGradient?: boolean;
    dOut: Operand;
    dWeight: Operand;
    dBias: Operand | undefined;
    dX: Operand;
    addsToDx: boolean;
    isFirst: boolean;
    rows: number;
  },
): void {
  const { x, dOut, dWeight, dBias, dX, isFirst, rows } = options;
  const { rows: fanIn, columns: fanOut } = l.matrix(options.weight);
  const multiplier = l.optional(options.multiplier);
  l.emit({
    kind: "matrixProduct",
    a: x,
    b: dOut,
    gain: undefined,
    multiplier: options.scalesWeightGradient ? multiplier : undefined,
    initial: isFirst ? undefined : dWeight,
    out: dWeight,
    aRow: 1,
    aStep: l.rowLength(fanIn),
    bRow: l.rowLength(fanOut),
    bTransposed: 0,
    initialRow: l.rowLength(fanOut),
    rows: fanIn,
    columns: fanOut,
    depth: rows,
    symmetric: 0,
  });
  if (dBias) l.emit({ kind: "columnSum", x: dOut, multiplier, out: dBias, rows, columns: fanOut, accumulate: Number(!isFirst) });
  l.emit({
    kind: "matrixProduct",
    a: dOut,
    b: l.operand(options.weight),
    gain: l.optional(options.gain),
    multiplier,
    initial: options.addsToDx ? dX : undefined,
    out: dX,
    aRow: l.rowLength(fanOut),
    aStep: 1,
    bRow: l.rowLength(fanOut),
    bTransposed: 1,
    initialRow: l.rowLength(fanIn),
    rows,
    columns: fanIn,
    depth: fanOut,
    symmetric: 0,
  });
}
