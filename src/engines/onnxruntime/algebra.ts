/**
 * Small ops as ONNX nodes, one class for each provider: they differ in which ops
 * have kernels and in which layout costs least. Values are names in a graph.
 */
import type { Dimensions, Shape } from "../../program/shapes.ts";
import { Algebra, type Transposed } from "../small-ops/algebra.ts";
import type { Graph, Value } from "./graph.ts";

/** Where nodes go and what a step reads besides tensors. */
export interface StepGraph {
  /** Evaluated once per call: what every step shares. */
  readonly outer: Graph;
  /** Evaluated for every step. */
  readonly step: Graph;
  /** int32 [R] token ids, in the algebra's order of rows. */
  readonly tokens: Value;
  readonly targets: Value;
}

/** Above this vocabulary a one-hot product costs more than adding rows one by one. */
const oneHotLimit = 512;

/** With ops that every provider has kernels for, the GPU ones included: nothing may fall back to the CPU. */
export class OnnxAlgebra extends Algebra<Value> {
  protected readonly outer: Graph;
  protected readonly step: Graph;
  protected readonly tokens: Value;
  protected readonly targets: Value;
  private readonly memo = new Map<string, Value>();

  constructor(dims: Dimensions, { outer, step, tokens, targets }: StepGraph) {
    super(dims);
    this.outer = outer;
    this.step = step;
    this.tokens = tokens;
    this.targets = targets;
  }

  scalar(value: number): Value {
    return this.step.scalar(value);
  }
  reshape(x: Value, shape: Shape): Value {
    return this.step.node("Reshape", [x, this.step.constant("int64", [shape.length], shape)]);
  }
  transpose(x: Value, axes: readonly number[]): Value {
    return this.step.node("Transpose", [x], { perm: axes });
  }
  add(a: Value, b: Value): Value {
    return this.step.node("Add", [a, b]);
  }
  subtract(a: Value, b: Value): Value {
    return this.step.node("Sub", [a, b]);
  }
  multiply(a: Value, b: Value): Value {
    return this.step.node("Mul", [a, b]);
  }
  divide(a: Value, b: Value): Value {
    return this.step.node("Div", [a, b]);
  }
  squareRoot(x: Value): Value {
    return this.step.node("Sqrt", [x]);
  }
  exponential(x: Value): Value {
    return this.step.node("Exp", [x]);
  }
  sigmoid(x: Value): Value {
    return this.step.node("Sigmoid", [x]);
  }
  sum(x: Value, axes: readonly number[]): Value {
    return this.step.node("ReduceSum", [x, this.step.constant("int64", [axes.length], axes)], { keepdims: 1 });
  }
  mean(x: Value): Value {
    return this.step.node("ReduceMean", [x], { axes: [-1], keepdims: 1 });
  }
  product(a: Value, b: Value, { a: swapA = false, b: swapB = false }: Transposed = {}, rank = 3): Value {
    const swapped = [...Array(rank - 2).keys(), rank - 1, rank - 2];
    return this.step.node("MatMul", [swapA ? this.transpose(a, swapped) : a, swapB ? this.transpose(b, swapped) : b]);
  }
  softmax(x: Value): Value {
    return this.step.node("Softmax", [x], { axis: -1 });
  }
  logSoftmax(x: Value): Value {
    const { step } = this;
    const centered = this.subtract(x, step.node("ReduceMax", [x], { axes: [-1], keepdims: 1 }));
    return this.subtract(centered, step.node("Log", [this.sum(this.exponential(centered), [2])]));
  }

  override perTrial(x: Value, rank: number): Value {
    return this.outer.reshape(x, [this.dims.trials, ...Array<number>(rank - 1).fill(1)]);
  }
  override normalize(x: Value, width: number, epsilon: number): { readonly normal: Value; readonly inverseStd: Value } {
    const { step } = this;
    const ones = this.outer.constant("float", [width], Array<number>(width).fill(1));
    const [normal, mean, inverseStd] = [step.fresh(), step.fresh(), step.fresh()];
    step.multi("LayerNormalization", [x, ones], { axis: -1, epsilon: { float: epsilon } }, [normal, mean, inverseStd]);
    return { normal, inverseStd };
  }

  causalMask(): Value {
    const { outer } = this;
    const { context } = this.dims;
    const filled = outer.node("Expand", [outer.scalar(-3e38), outer.constant("int64", [2], [context, context])]);
    return outer.node("Trilu", [filled, outer.constant("int64", [], [1])], { upper: 1 });
  }

  rowsOfTokens(table: Value): Value {
    return this.step.node("Gather", [table, this.tokens], { axis: 1 });
  }
  sumByToken(rows: Value, vocabulary: number, width: number): Value {
    const { step, outer } = this;
    const { trials } = this.dims;
    if (vocabulary <= oneHotLimit) return step.node("MatMul", [this.transpose(this.oneHot(this.tokens, vocabulary), [1, 0]), rows]);
    // Not ScatterND: its threads race when a token occurs twice.
    const zeros = this.once("zeros", () =>
      outer.node("Expand", [outer.scalar(0), outer.constant("int64", [3], [trials, vocabulary, width])]),
    );
    const indices = step.node("Expand", [
      this.reshape(this.tokens, [1, this.rows, 1]),
      step.constant("int64", [3], [trials, this.rows, width]),
    ]);
    return step.node("ScatterElements", [zeros, indices, rows], { axis: 1, reduction: "add" });
  }
  takeTargets(x: Value, vocabulary: number): Value {
    const picked = this.sum(this.multiply(x, this.oneHot(this.targets, vocabulary)), [2]);
    return this.reshape(picked, [this.dims.trials, this.rows]);
  }
  lessAtTargets(x: Value, amount: number, vocabulary: number): Value {
    return this.subtract(x, this.multiply(this.oneHot(this.targets, vocabulary), this.scalar(amount)));
  }

  /** [R, V]: 1 where the column is the row's id. */
  protected oneHot(ids: Value, vocabulary: number): Value {
    const { step, outer } = this;
    return this.once(`one-hot ${ids}`, () => {
      const columns = outer.constant(
        "int32",
        [1, vocabulary],
        Array.from({ length: vocabulary }, (_, id) => id),
      );
      return step.node("Cast", [step.node("Equal", [this.reshape(ids, [this.rows, 1]), columns])], { to: 1 });
    });
  }
  protected once(key: string, make: () => Value): Value {
    const value = this.memo.get(key) ?? make();
    this.memo.set(key, value);
    return value;
  }
}

/** Products that read an operand transposed without moving it, and a fused log-softmax: the CUDA provider. */
export class FusedAlgebra extends OnnxAlgebra {
  override product(a: Value, b: Value, { a: swapA = false, b: swapB = false }: Transposed = {}): Value {
    return this.step.node("FusedMatMul", [a, b], { transA: Number(swapA), transB: Number(swapB) });
  }
  override logSoftmax(x: Value): Value {
    return this.step.node("LogSoftmax", [x], { axis: -1 });
  }
}

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
