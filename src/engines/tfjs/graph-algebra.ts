/** Small ops as nodes of a TensorFlow graph. */
import type { Dimensions, Shape } from "../../program/shapes.ts";
import { Algebra, type Transposed } from "../small-ops/algebra.ts";
import { oneHotLimit } from "../small-ops/constants.ts";
import type { Node, TfGraph } from "./tf-graph.ts";

const float = { type: "float" } as const;
const int32 = { type: "int32" } as const;

/** Small ops whose values are nodes. */
export class GraphAlgebra extends Algebra<Node> {
  private readonly graph: TfGraph;
  private readonly tokens: Node;
  private readonly targets: Node;
  private readonly memo = new Map<string, Node>();

  /** `tokens` and `targets`: nodes of int32 [R]. */
  constructor(graph: TfGraph, dims: Dimensions, ids: { readonly tokens: Node; readonly targets: Node }) {
    super(dims);
    this.graph = graph;
    this.tokens = ids.tokens;
    this.targets = ids.targets;
  }

  scalar(value: number): Node {
    return this.graph.constant(Float32Array.of(value), []);
  }
  reshape(x: Node, shape: Shape): Node {
    return this.graph.node("Reshape", [x, this.graph.integers(shape)], { T: float, Tshape: int32 });
  }
  transpose(x: Node, axes: readonly number[]): Node {
    return this.graph.node("Transpose", [x, this.graph.integers(axes)], { T: float, Tperm: int32 });
  }
  add(a: Node, b: Node): Node {
    return this.elementwise("AddV2", a, b);
  }
  subtract(a: Node, b: Node): Node {
    return this.elementwise("Sub", a, b);
  }
  multiply(a: Node, b: Node): Node {
    return this.elementwise("Mul", a, b);
  }
  divide(a: Node, b: Node): Node {
    return this.elementwise("RealDiv", a, b);
  }
  squareRoot(x: Node): Node {
    return this.elementwise("Sqrt", x);
  }
  exponential(x: Node): Node {
    return this.elementwise("Exp", x);
  }
  sigmoid(x: Node): Node {
    return this.elementwise("Sigmoid", x);
  }
  positive(x: Node): Node {
    return this.elementwise("Relu", x);
  }
  sum(x: Node, axes: readonly number[]): Node {
    return this.reduce("Sum", x, axes, true);
  }
  mean(x: Node): Node {
    return this.reduce("Mean", x, [-1], true);
  }
  product(a: Node, b: Node, { a: adjA = false, b: adjB = false }: Transposed = {}): Node {
    return this.graph.node("BatchMatMulV2", [a, b], { T: float, adj_x: { flag: adjA }, adj_y: { flag: adjB } });
  }
  softmax(x: Node): Node {
    return this.elementwise("Softmax", x);
  }
  logSoftmax(x: Node): Node {
    return this.elementwise("LogSoftmax", x);
  }
  constant(_key: string, shape: Shape, values: () => Float32Array): Node {
    return this.graph.constant(values(), shape);
  }
  rowsOfTokens(table: Node): Node {
    const attributes = { Tparams: float, Tindices: int32, Taxis: int32, batch_dims: { integer: 0 } };
    return this.graph.node("GatherV2", [table, this.tokens, this.graph.constant(Int32Array.of(1), [])], attributes);
  }
  sumByToken(rows: Node, vocabulary: number, width: number): Node {
    const { graph, dims } = this;
    if (vocabulary <= oneHotLimit) return this.product(this.oneHot(this.tokens, vocabulary), rows, { a: true });
    const byRow = this.reshape(this.transpose(rows, [1, 0, 2]), [this.rows, dims.trials * width]);
    const count = graph.constant(Int32Array.of(vocabulary), []);
    const sums = graph.node("UnsortedSegmentSum", [byRow, this.tokens, count], { T: float, Tindices: int32, Tnumsegments: int32 });
    return this.transpose(this.reshape(sums, [vocabulary, dims.trials, width]), [1, 0, 2]);
  }
  takeTargets(x: Node, vocabulary: number): Node {
    return this.reduce("Sum", this.multiply(x, this.oneHot(this.targets, vocabulary)), [2], false);
  }
  lessAtTargets(x: Node, amount: number, vocabulary: number): Node {
    return this.subtract(x, this.multiply(this.oneHot(this.targets, vocabulary), this.scalar(amount)));
  }

  private elementwise(op: string, ...operands: readonly Node[]): Node {
    return this.graph.node(op, operands, { T: float });
  }
  private reduce(op: string, x: Node, axes: readonly number[], keep: boolean): Node {
    return this.graph.node(op, [x, this.graph.integers(axes)], { T: float, Tidx: int32, keep_dims: { flag: keep } });
  }
  /** [1, R, V]: 1 where the column is the row's id. */
  private oneHot(ids: Node, vocabulary: number): Node {
    const known = this.memo.get(ids);
    if (known !== undefined) return known;
    const operands = [ids, this.graph.constant(Int32Array.of(vocabulary), []), this.scalar(1), this.scalar(0)];
    const rows = this.graph.node("OneHot", operands, { T: float, TI: int32, axis: { integer: -1 } });
    const made = this.reshape(rows, [1, this.rows, vocabulary]);
    this.memo.set(ids, made);
    return made;
  }
}
