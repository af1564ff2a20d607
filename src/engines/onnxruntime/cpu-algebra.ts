/** Small ops as the CPU provider runs them fastest. */
import type { Shape } from "../../program/shapes.ts";
import { FusedAlgebra } from "./algebra.ts";
import type { Value } from "./graph.ts";

/**
 * The CPU provider: rows in time-major order, because FusedMatMul can then read attention
 * heads in place (transBatchA/B) and no query, key or value is ever transposed when N = 1;
 * and gathers where one-hot rows would cost passes over the logits.
 */
export class CpuAlgebra extends FusedAlgebra {
  override addPositions(rows: Value, positions: Value, width: number): Value {
    const { trials, batch, context } = this.dims;
    const moments = this.reshape(rows, [trials, context, batch, width]);
    return this.reshape(this.add(moments, this.reshape(positions, [trials, context, 1, width])), [trials, this.rows, width]);
  }
  override timesPositions(rows: Value, positions: Value, width: number): Value {
    const { trials, batch, context } = this.dims;
    const moments = this.reshape(rows, [trials, context, batch, width]);
    return this.reshape(this.multiply(moments, this.reshape(positions, [1, context, 1, width])), [trials, this.rows, width]);
  }
  override sumPositions(rows: Value, width: number): Value {
    const { trials, batch, context } = this.dims;
    return this.reshape(this.sum(this.reshape(rows, [trials, context, batch, width]), [2]), [trials, context, width]);
  }
  /** [T, N·B, H, D], FusedMatMul's transposed-batch form. */
  override heads(x: Value, heads: number, width: number): Value {
    const { trials, batch, context } = this.dims;
    const timeFirst = trials === 1 ? x : this.transpose(this.reshape(x, [trials, context, batch * width]), [1, 0, 2]);
    return this.reshape(timeFirst, [context, trials * batch, heads, width / heads]);
  }
  override headScores(a: Value, b: Value): Value {
    return this.step.node("FusedMatMul", [a, b], { transBatchA: 1, transBatchB: 1, transB: 1 });
  }
  override mixHeads(weights: Value, x: Value, transposed: boolean, heads: number, width: number): Value {
    const { trials, batch, context } = this.dims;
    const mixed = this.step.node("FusedMatMul", [weights, x], { transA: Number(transposed), transBatchB: 1 }); // [N·B, H, T, D]
    const split = this.reshape(mixed, [trials, batch, heads, context, width / heads]);
    return this.reshape(this.transpose(split, [0, 3, 1, 2, 4]), [trials, this.rows, width]);
  }
  override inProgramOrder(x: Value, [trials, batch, context, width]: Shape): Value {
    return this.transpose(this.reshape(x, [trials, context, batch, width]), [0, 2, 1, 3]);
  }

  override takeTargets(x: Value, vocabulary: number): Value {
    const flat = this.reshape(x, [this.dims.trials * this.rows * vocabulary]);
    return this.step.node("Gather", [flat, this.targetIndices(vocabulary)]);
  }
  override lessAtTargets(x: Value, amount: number, vocabulary: number): Value {
    const { trials } = this.dims;
    const cells = trials * this.rows;
    const less = this.outer.constant("float", [cells], Array<number>(cells).fill(-amount));
    const flat = this.reshape(x, [cells * vocabulary]);
    const indices = this.reshape(this.targetIndices(vocabulary), [cells]);
    const scattered = this.step.node("ScatterElements", [flat, indices, less], { axis: 0, reduction: "add" });
    return this.reshape(scattered, [trials, this.rows, vocabulary]);
  }
  protected override oneHot(ids: Value, vocabulary: number): Value {
    const { outer } = this;
    const identity = this.once("identity", () =>
      outer.node("EyeLike", [outer.node("Expand", [outer.scalar(0), outer.constant("int64", [2], [vocabulary, vocabulary])])]),
    );
    return this.step.node("Gather", [identity, ids]);
  }
  /** Position of each row's target in the flattened [N, R, V], as [N, R]. */
  private targetIndices(vocabulary: number): Value {
    return this.once("targets", () => {
      const { trials } = this.dims;
      const starts = Array.from({ length: trials * this.rows }, (_, row) => row * vocabulary);
      return this.step.node("Add", [this.outer.constant("int32", [trials, this.rows], starts), this.targets]);
    });
  }
}
