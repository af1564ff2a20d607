/**
 * The small tensor ops that a library must offer so that the coarse ops of a
 * program can be expanded into them (expand.ts). An engine extends this class over
 * its own values: ONNX or TensorFlow graph nodes, or arrays. What is not abstract is
 * composed from the rest and may be overridden by something faster.
 *
 * Layout: activations are rows, [N, R, ·] with R = B·T rows in an order that
 * `rowsOf` decides; batch-major unless an engine overrides all that is said to depend on it.
 */
import type { Dimensions, Shape } from "../../program/shapes.ts";
import { maskValues } from "./constants.ts";

/** Which operands of a product are read transposed. */
export interface Transposed {
  readonly a?: boolean;
  readonly b?: boolean;
}

/** The small ops, over values of some kind. */
export abstract class Algebra<V> {
  readonly dims: Dimensions;

  constructor(dims: Dimensions) {
    this.dims = dims;
  }

  abstract scalar(value: number): V;
  abstract reshape(x: V, shape: Shape): V;
  abstract transpose(x: V, axes: readonly number[]): V;
  /** Elementwise, with broadcasting. */
  abstract add(a: V, b: V): V;
  abstract subtract(a: V, b: V): V;
  abstract multiply(a: V, b: V): V;
  abstract divide(a: V, b: V): V;
  abstract squareRoot(x: V): V;
  abstract exponential(x: V): V;
  abstract sigmoid(x: V): V;
  /** max(x, 0). */
  abstract positive(x: V): V;
  /** Sums over `axes`, counted from the front, keeping them with size 1. */
  abstract sum(x: V, axes: readonly number[]): V;
  /** Means over the last axis, kept with size 1. */
  abstract mean(x: V): V;
  /** Matrix products over the last two axes, one for each index of the axes before them; both operands have `rank` axes. */
  abstract product(a: V, b: V, transposed?: Transposed, rank?: number): V;
  abstract softmax(x: V): V;
  abstract logSoftmax(x: V): V;
  /** Numbers that are the same at every step; equal keys have equal numbers. */
  abstract constant(key: string, shape: Shape, values: () => Float32Array): V;
  /** Rows [N, R, C] of a table [N, V, C], by the step's token ids. */
  abstract rowsOfTokens(table: V): V;
  /** The transpose of `rowsOfTokens`: rows [N, R, C] summed into [N, V, C] by token id. */
  abstract sumByToken(rows: V, vocabulary: number, width: number): V;
  /** x[n, r, target of row r] as [N, R], from [N, R, V]. */
  abstract takeTargets(x: V, vocabulary: number): V;
  /** x [N, R, V] less `amount` where the column is the row's target. */
  abstract lessAtTargets(x: V, amount: number, vocabulary: number): V;

  get rows(): number {
    return this.dims.batch * this.dims.context;
  }

  /** An (N,) value as [N, 1, …] of the given rank. */
  perTrial(x: V, rank: number): V {
    return this.reshape(x, [this.dims.trials, ...Array<number>(rank - 1).fill(1)]);
  }

  /** (x − mean) / std over the last axis, and 1 / std. */
  normalize(x: V, _width: number, epsilon: number): { readonly normal: V; readonly inverseStd: V } {
    const centered = this.subtract(x, this.mean(x));
    const variance = this.mean(this.multiply(centered, centered));
    const inverseStd = this.divide(this.scalar(1), this.squareRoot(this.add(variance, this.scalar(epsilon))));
    return { normal: this.multiply(centered, inverseStd), inverseStd };
  }

  /** x / rms over the last axis, and 1 / rms. */
  normalizeSquare(x: V, _width: number, epsilon: number): { readonly normal: V; readonly inverseStd: V } {
    const square = this.mean(this.multiply(x, x));
    const inverseStd = this.divide(this.scalar(1), this.squareRoot(this.add(square, this.scalar(epsilon))));
    return { normal: this.multiply(x, inverseStd), inverseStd };
  }

  /** [T, T]: 0 where a query may look, a large negative number elsewhere. */
  causalMask(): V {
    const { context } = this.dims;
    return this.constant("mask", [context, context], () => maskValues(context));
  }

  /** Rows [N, R, C] with positions [N, T, C] added; depends on the order of rows. */
  addPositions(rows: V, positions: V, width: number): V {
    const { trials, batch, context } = this.dims;
    const sequences = this.reshape(rows, [trials, batch, context, width]);
    return this.reshape(this.add(sequences, this.reshape(positions, [trials, 1, context, width])), [trials, this.rows, width]);
  }

  /** Rows [N, R, C] times what belongs to their positions [T, C]; depends on the order of rows. */
  timesPositions(rows: V, positions: V, width: number): V {
    const { trials, batch, context } = this.dims;
    const sequences = this.reshape(rows, [trials, batch, context, width]);
    return this.reshape(this.multiply(sequences, this.reshape(positions, [1, 1, context, width])), [trials, this.rows, width]);
  }

  /** Rows [N, R, C] summed over the batch, [N, T, C]; depends on the order of rows. */
  sumPositions(rows: V, width: number): V {
    const { trials, batch, context } = this.dims;
    const sums = this.sum(this.reshape(rows, [trials, batch, context, width]), [1]);
    return this.reshape(sums, [trials, context, width]);
  }

  /** Rows [N, R, C/count] of heads as rows [N, R, C] in which each stands so many times side by side. */
  repeatHeads(x: V, headDim: number, width: number, count: number): V {
    if (count === 1) return x;
    const { trials } = this.dims;
    const ones = this.constant(`ones ${count}`, [1, 1, count, 1], () => new Float32Array(count).fill(1));
    const apart = this.reshape(x, [trials, (this.rows * width) / headDim / count, 1, headDim]);
    return this.reshape(this.multiply(apart, ones), [trials, this.rows, width]);
  }
  /** The transpose of `repeatHeads`: sums over heads that stand side by side. */
  sumHeads(x: V, headDim: number, width: number, count: number): V {
    if (count === 1) return x;
    const { trials } = this.dims;
    const apart = this.reshape(x, [trials, (this.rows * width) / headDim / count, count, headDim]);
    return this.reshape(this.sum(apart, [2]), [trials, this.rows, width / count]);
  }

  /** Rows [N, R, C] in the form that the next two read: [N·B, H, T, D] unless overridden. */
  heads(x: V, heads: number, width: number): V {
    const { trials, batch, context } = this.dims;
    return this.transpose(this.reshape(x, [trials * batch, context, heads, width / heads]), [0, 2, 1, 3]);
  }
  /** a·bᵀ per head, [N·B, H, T, T]. */
  headScores(a: V, b: V): V {
    return this.product(a, b, { b: true }, 4);
  }
  /** weights·x per head, or weightsᵀ·x, as rows [N, R, C]. */
  mixHeads(weights: V, x: V, transposed: boolean, _heads: number, width: number): V {
    const mixed = this.transpose(this.product(weights, x, { a: transposed }, 4), [0, 2, 1, 3]);
    return this.reshape(mixed, [this.dims.trials, this.rows, width]);
  }

  /** Rows [N, R, C] in the program's own shape [N, B, T, C]; depends on the order of rows. */
  inProgramOrder(x: V, shape: Shape): V {
    return this.reshape(x, shape);
  }
}
