/**
 * Small ops as ONNX nodes, one class for each provider: they differ in which ops
 * have kernels and in which layout costs least. Values are names in a graph.
 */
import type { Dimensions, Shape } from "../../program/shapes.ts";
import { Algebra, type Transposed } from "../small-ops/algebra.ts";
import { masked, oneHotLimit } from "../small-ops/constants.ts";
import type { Graph, Value } from "./graph.ts";

/** Where nodes go and what a step reads besides tensors. */
export interface StepGraph {
  /** The graph that is evaluated once per call: what every step shares. */
  readonly outer: Graph;
  /** The graph that is evaluated for every step. */
  readonly step: Graph;
  /** int32 [R] token ids, in the algebra's order of rows. */
  readonly tokens: Value;
  readonly targets: Value;
}

/** Small ops by nodes that every provider has kernels for, the GPU ones included: nothing may fall back to the CPU. */
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
  positive(x: Value): Value {
    return this.step.node("Relu", [x]);
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

  constant(_key: string, shape: Shape, values: () => Float32Array): Value {
    return this.outer.constant("float", shape, values());
  }
  override causalMask(): Value {
    const { outer } = this;
    const { context } = this.dims;
    const filled = outer.node("Expand", [outer.scalar(masked), outer.constant("int64", [2], [context, context])]);
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

/** Small ops with what the CPU provider has kernels for: products that read an operand transposed without moving it, and a fused log-softmax. */
export class FusedAlgebra extends OnnxAlgebra {
  override product(a: Value, b: Value, { a: swapA = false, b: swapB = false }: Transposed = {}): Value {
    return this.step.node("FusedMatMul", [a, b], { transA: Number(swapA), transB: Number(swapB) });
  }
  override logSoftmax(x: Value): Value {
    return this.step.node("LogSoftmax", [x], { axis: -1 });
  }
}
