/**
 * The readout together with the loss and both their gradients, in blocks of rows:
 * logits are never stored whole, however large the vocabulary.
 */
import { invariant } from "../../errors.ts";
import type { Branch, OpOf } from "../../program/ops.ts";
import type { Operand } from "./instructions.ts";
import type { Lowering, Norm } from "./lowering.ts";
import { biasRowOf, branchForward, branchGradients, branchTargets, type RowRange } from "./norm.ts";

function backwardOf(l: Lowering, of: Norm): OpOf<"norm_linear_backward"> {
  const op = l.program.backward.find((each) => each.kind === "norm_linear_backward" && each.of === of);
  invariant(op?.kind === "norm_linear_backward", "backwardOf", "a norm_linear has no backward op");
  return op;
}

/** Losses of the rows of `block`, and the logits' gradient where one is wanted. */
export function crossEntropy(
  l: Lowering,
  logits: Operand,
  gradient: Operand | undefined,
  losses: Operand,
  block: RowRange,
  { vocabulary, zLoss }: { readonly vocabulary: number; readonly zLoss: number | undefined },
): void {
  l.emit({
    kind: "crossEntropy",
    logits,
    gradient,
    losses,
    zLoss: zLoss === undefined ? undefined : l.laneMemory.constant(zLoss),
    firstRow: l.sequenceGroup.firstRow + block.first,
    rows: block.count,
    totalRows: l.totalRows,
    vocabulary,
  });
}

/** Readout, loss and both gradients for the rows of the present sequence group. */
export function readoutAndLoss(l: Lowering, of: Norm, losses: Operand, zLoss: number | undefined): void {
  const [branch] = of.branches as [Branch];
  const { rows: width, columns: vocabulary } = l.matrix(branch.weight);
  const height = l.target.blockRows(l.rowLength(vocabulary), width);
  const biasRow = biasRowOf(l, of, branch);
  const logits = l.fleeting(l.matrixLines({ rows: Math.min(height, l.rows), columns: vocabulary }));
  const backward = l.purpose === "evaluate" ? undefined : backwardOf(l, of);
  const [targets] = backward ? branchTargets(l, backward) : [];
  for (let first = 0; first < l.rows; first += height) {
    const block = { first, count: Math.min(height, l.rows - first) };
    branchForward(l, of, branch, biasRow, logits, block);
    crossEntropy(l, logits, targets && logits, losses, block, { vocabulary, zLoss });
    if (targets) branchGradients(l, of, branch, targets, logits, block);
  }
}
