/**
 * What the lowering rules share: the two graphs they write into, the row layout,
 * and small compositions of ONNX nodes. The rules themselves are in forward.ts,
 * backward.ts and update.ts.
 *
 * Layout: activations are rows in time-major order, [N, T·B, C], because
 * FusedMatMul can then read attention heads in place (transBatchA/B) and no
 * query, key or value is ever transposed when N = 1.
 */
import { invariant } from "../../errors.ts";
import type { Kind, Op, OpOf, Ref } from "../../program/ops.ts";
import { shapeOf, type Program } from "../../program/program.ts";
import type { Shape } from "../../program/shapes.ts";
import type { Graph, Value } from "./graph.ts";

/** Names of the values a step reads besides parameters and scalars. */
export interface StepInputs {
  /** int32 [T·B], time-major. */
  readonly tokens: Value;
  readonly targets: Value;
}

export class Lowering {
  readonly program: Program;
  /** Evaluated once per call: scalars and constants every step shares. */
  readonly outer: Graph;
  /** Evaluated for every step. */
  readonly step: Graph;
  readonly inputs: StepInputs;
  readonly trials: number;
  readonly batch: number;
  readonly context: number;
  readonly rows: number;
  private readonly memo = new Map<string, Value>();
  private readonly kept = new Map<Op, Readonly<Record<string, Value>>>();

  constructor(program: Program, outer: Graph, step: Graph, inputs: StepInputs) {
    this.program = program;
    this.outer = outer;
    this.step = step;
    this.inputs = inputs;
    ({ trials: this.trials, batch: this.batch, context: this.context } = program.dims);
    this.rows = this.context * this.batch;
  }

  shape(ref: Ref): Shape {
    return shapeOf(this.program, ref);
  }

  /** Size of the last axis. */
  last(ref: Ref): number {
    return this.shape(ref).at(-1) as number;
  }

  /** Makes a value once, however many rules ask for it. */
  once(key: string, make: () => Value): Value {
    const value = this.memo.get(key) ?? make();
    this.memo.set(key, value);
    return value;
  }

  /** Keeps values of a forward op for its backward op. */
  keep(op: Op, values: Readonly<Record<string, Value>>): void {
    this.kept.set(op, values);
  }

  /** A value the forward op kept. */
  recall(op: Op, name: string): Value {
    const value = this.kept.get(op)?.[name];
    invariant(value !== undefined, "Lowering.recall", `${op.kind} kept no ${name}`);
    return value;
  }

  /** An (N,) scalar as [N, 1, …] of the given rank, to multiply tensors of that rank. */
  scalar(ref: Ref, rank: number): Value {
    return this.once(`${ref}/${rank}`, () => this.outer.reshape(ref, [this.trials, ...Array<number>(rank - 1).fill(1)]));
  }

  /** A vector parameter [N, C] as [N, C, 1]: it scales the rows of a weight. */
  column(ref: Ref): Value {
    return this.once(`${ref}/column`, () => this.step.reshape(ref, [this.trials, this.last(ref), 1]));
  }

  /** A vector parameter [N, C] as [N, 1, C]: it is added to every row. */
  row(ref: Ref): Value {
    return this.once(`${ref}/row`, () => this.step.reshape(ref, [this.trials, 1, this.last(ref)]));
  }

  /** Sum over the rows of [N, T·B, C], as [N, 1, C]. */
  rowSum(x: Value): Value {
    return this.step.sum(x, [1], true);
  }

  /** Rows [N, T·B, C] as [T, N·B, H, D], FusedMatMul's transposed-batch form. */
  heads(x: Value, heads: number, width: number): Value {
    const timeFirst =
      this.trials === 1 ? x : this.step.transpose(this.step.reshape(x, [this.trials, this.context, this.batch * width]), [1, 0, 2]);
    return this.step.reshape(timeFirst, [this.context, this.trials * this.batch, heads, width / heads]);
  }

  /** The inverse for a product's result: [N·B, H, T, D] as rows [N, T·B, C]. */
  unheads(x: Value, heads: number, width: number, name: Value): Value {
    const split = this.step.reshape(x, [this.trials, this.batch, heads, this.context, width / heads]);
    return this.named(this.step.transpose(split, [0, 3, 1, 2, 4]), [this.trials, this.rows, width], name);
  }

  /** Gives a value its final shape and name. */
  named(x: Value, shape: Shape, name: Value): Value {
    return this.step.node("Reshape", [x, this.step.constant("int64", [shape.length], shape)], {}, name);
  }
}

export type LoweringRule<K extends Kind> = (op: OpOf<K>, lowering: Lowering) => void;
