/**
 * `norm_linear` in its parts, so that a branch can run in blocks of rows: normalise
 * once, a product for each branch, and their gradients. The norm's gain and shift
 * are folded into weights and a bias row, so normalised rows are all that is kept.
 */
import type { Branch, BranchGradient, OpOf } from "../../program/ops.ts";
import type { Operand } from "./instructions.ts";
import type { Lowering, Norm } from "./lowering.ts";
import { forwardProduct, productGradients } from "./products.ts";

/** Rows from one on, counted within the sequence group. */
export interface RowRange {
  readonly first: number;
  readonly count: number;
}
/** Where the gradients of one branch are written. */
export interface BranchTargets {
  readonly dWeight: Operand;
  readonly dBias: Operand | undefined;
  readonly dNormal: Operand;
  readonly addsToNormal: boolean;
}

/** The operand of a matrix from one of its rows on. */
function from(l: Lowering, { buffer, line }: Operand, row: number, columns: number): Operand {
  return { buffer, line: line + l.matrixLines({ rows: row, columns }) };
}

/** Where normalised x and the inverse deviations lie, which are kept for the backward pass. */
function normalized(l: Lowering, of: Norm): { readonly normal: Operand; readonly inverse: Operand; readonly width: number } {
  const matrix = l.matrix(of.x);
  const name = of.branches[0]?.out ?? "";
  return {
    normal: l.named(`normal:${name}`, l.matrixLines(matrix)),
    inverse: l.named(`inverse:${name}`, l.linesOf(l.rows)),
    width: matrix.columns,
  };
}

/** Normalises x, once for all branches. */
export function normalize(l: Lowering, of: Norm): void {
  const { normal, inverse, width } = normalized(l, of);
  l.emit({ kind: "normalize", x: l.operand(of.x), normal, inverse, width, rows: l.rows, centered: centered(of) });
}
const centered = ({ norm }: Norm): number => Number(norm === "layer_norm");

/** The row that a branch's biases add up to, or none. */
export function biasRowOf(l: Lowering, of: Pick<Norm, "shift">, { weight, bias, multiplier }: Branch): Operand | undefined {
  if (!of.shift && !bias) return undefined;
  const { rows: fanIn, columns: fanOut } = l.matrix(weight);
  const out = l.temporary(l.matrixLines({ rows: 1, columns: fanOut }));
  l.emit({
    kind: "biasRow",
    shift: l.optional(of.shift),
    weight: l.operand(weight),
    bias: l.optional(bias),
    multiplier: l.optional(multiplier),
    out,
    fanIn,
    fanOut,
  });
  return out;
}

/** One branch's forward product for the rows of `block`. */
export function branchForward(l: Lowering, of: Norm, branch: Branch, biasRow: Operand | undefined, out: Operand, block: RowRange): void {
  const { normal, width } = normalized(l, of);
  forwardProduct(l, {
    x: from(l, normal, block.first, width),
    weight: branch.weight,
    out,
    gain: of.gain,
    multiplier: branch.multiplier,
    initial: biasRow,
    initialRow: 0,
    rows: block.count,
  });
}

/** One branch's share of the gradients, for the rows of `block`; norm gradients follow when all blocks are done. */
export function branchGradients(l: Lowering, of: Norm, branch: Branch, gradient: BranchTargets, dOut: Operand, block: RowRange): void {
  const { normal, width } = normalized(l, of);
  productGradients(l, {
    x: from(l, normal, block.first, width),
    weight: branch.weight,
    gain: of.gain,
    multiplier: branch.multiplier,
    dOut,
    dWeight: gradient.dWeight,
    dBias: gradient.dBias,
    dX: from(l, gradient.dNormal, block.first, width),
    addsToDx: gradient.addsToNormal,
    isFirst: l.sequenceGroup.isFirst && block.first === 0,
    rows: block.count,
  });
}

/** Where the gradients of each branch go. */
export function branchTargets(l: Lowering, op: OpOf<"norm_linear_backward">): readonly BranchTargets[] {
  const { of } = op;
  const dNormal = l.named(`dNormal:${op.dX}`, l.matrixLines(l.matrix(of.x)));
  return op.branches.map((gradient: BranchGradient, index) => {
    const sums = `dBias:${gradient.dWeight}`;
    if (gradient.dBias === undefined && of.shift && !l.operands.has(sums))
      l.lasts(sums, l.temporary(l.matrixLines({ rows: 1, columns: l.matrix(gradient.dWeight).columns })));
    return {
      dWeight: l.operand(gradient.dWeight),
      dBias: gradient.dBias === undefined ? l.operands.get(sums) : l.operand(gradient.dBias),
      dNormal,
      addsToNormal: index > 0,
    };
  });
}

/** Gradients of gains and shifts, and the gradient that leaves the norm. */
export function normBackward(l: Lowering, op: OpOf<"norm_linear_backward">): void {
  const { of } = op;
  const targets = branchTargets(l, op);
  const whole = l.sequenceGroup.isLast ? targets : []; // sums over all rows are complete with the last sequence group
  whole.forEach((target, index) => {
    const { weight, multiplier } = of.branches[index];
    const { rows: fanIn, columns: fanOut } = l.matrix(weight);
    l.emit({
      kind: "normGradients",
      gradient: target.dWeight,
      weight: l.operand(weight),
      gain: l.operand(of.gain),
      shift: l.optional(of.shift),
      dBias: target.dBias,
      multiplier: l.optional(multiplier),
      dGain: l.operand(op.dGain),
      dShift: l.optional(op.dShift),
      fanIn,
      fanOut,
      accumulate: Number(index > 0),
    });
  });
  const { normal, inverse, width } = normalized(l, of);
  const { out, residual } = l.destination(op.dX);
  const dNormal = targets[0]?.dNormal;
  l.emit({ kind: "normalizeBackward", dNormal, normal, inverse, residual, out, width, rows: l.rows, centered: centered(of) });
}
