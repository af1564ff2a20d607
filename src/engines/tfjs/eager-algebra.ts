/** Small ops as calls of TensorFlow.js, each carried out at once. */
import type { Dimensions, Shape } from "../../program/shapes.ts";
import { Algebra, type Transposed } from "../small-ops/algebra.ts";
import { oneHotLimit } from "../small-ops/constants.ts";
import type { Tensor, Tf } from "./load.ts";

type Tensor1D = import("@tensorflow/tfjs-core").Tensor1D;

/** Small ops whose values are tensors. */
export class EagerAlgebra extends Algebra<Tensor> {
  private readonly tf: Tf;
  private readonly tokens: Tensor1D;
  private readonly targets: Tensor1D;

  /** `tokens` and `targets`: int32 [R]. `lasting` gives tensors that outlive a step. */
  private readonly lasting: (key: string, make: () => Tensor) => Tensor;

  constructor(
    tf: Tf,
    dims: Dimensions,
    ids: { readonly tokens: Tensor; readonly targets: Tensor },
    lasting: (key: string, make: () => Tensor) => Tensor,
  ) {
    super(dims);
    this.tf = tf;
    this.tokens = ids.tokens as Tensor1D;
    this.targets = ids.targets as Tensor1D;
    this.lasting = lasting;
  }

  scalar(value: number): Tensor {
    return this.lasting(String(value), () => this.tf.scalar(value));
  }
  reshape(x: Tensor, shape: Shape): Tensor {
    return this.tf.reshape(x, [...shape]);
  }
  transpose(x: Tensor, axes: readonly number[]): Tensor {
    return this.tf.transpose(x, [...axes]);
  }
  add(a: Tensor, b: Tensor): Tensor {
    return this.tf.add(a, b);
  }
  subtract(a: Tensor, b: Tensor): Tensor {
    return this.tf.sub(a, b);
  }
  multiply(a: Tensor, b: Tensor): Tensor {
    return this.tf.mul(a, b);
  }
  divide(a: Tensor, b: Tensor): Tensor {
    return this.tf.div(a, b);
  }
  squareRoot(x: Tensor): Tensor {
    return this.tf.sqrt(x);
  }
  exponential(x: Tensor): Tensor {
    return this.tf.exp(x);
  }
  sigmoid(x: Tensor): Tensor {
    return this.tf.sigmoid(x);
  }
  positive(x: Tensor): Tensor {
    return this.tf.relu(x);
  }
  sum(x: Tensor, axes: readonly number[]): Tensor {
    return this.tf.sum(x, [...axes], true);
  }
  mean(x: Tensor): Tensor {
    return this.tf.mean(x, -1, true);
  }
  product(a: Tensor, b: Tensor, transposed: Transposed = {}): Tensor {
    return this.tf.matMul(a, b, transposed.a, transposed.b);
  }
  softmax(x: Tensor): Tensor {
    return this.tf.softmax(x, -1);
  }
  logSoftmax(x: Tensor): Tensor {
    return this.tf.logSoftmax(x, -1);
  }
  constant(key: string, shape: Shape, values: () => Float32Array): Tensor {
    return this.lasting(key, () => this.tf.tensor(values(), [...shape], "float32"));
  }
  rowsOfTokens(table: Tensor): Tensor {
    return this.tf.gather(table, this.tokens, 1);
  }
  sumByToken(rows: Tensor, vocabulary: number, width: number): Tensor {
    const { tf, dims } = this;
    if (vocabulary <= oneHotLimit) return tf.matMul(this.oneHot(this.tokens, vocabulary), rows, true, false);
    const byRow = this.reshape(this.transpose(rows, [1, 0, 2]), [this.rows, dims.trials * width]);
    const sums = tf.unsortedSegmentSum(byRow, this.tokens, vocabulary);
    return this.transpose(this.reshape(sums, [vocabulary, dims.trials, width]), [1, 0, 2]);
  }
  takeTargets(x: Tensor, vocabulary: number): Tensor {
    return this.tf.sum(this.multiply(x, this.oneHot(this.targets, vocabulary)), 2);
  }
  lessAtTargets(x: Tensor, amount: number, vocabulary: number): Tensor {
    return this.subtract(x, this.multiply(this.oneHot(this.targets, vocabulary), this.scalar(amount)));
  }

  /** [1, R, V]: 1 where the column is the row's id. */
  private oneHot(ids: Tensor1D, vocabulary: number): Tensor {
    return this.reshape(this.tf.oneHot(ids, vocabulary, 1, 0, "float32"), [1, this.rows, vocabulary]);
  }
}
