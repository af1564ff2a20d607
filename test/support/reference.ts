/**
 * The readable twin of every engine: each op as plain float64 loops over one
 * trial at a time, straight from the formulas in program/ops.ts. Slow and simple:
 * it is what finite differences check and what engines are compared with.
 */
import type { Batches } from "../../src/engines/engine.ts";
import { dispatch, newtonSchulz, type Kind, type Norm, type Op, type OpOf, type Ref } from "../../src/program/ops.ts";
import { sizeOf, statePartsOf, stepOps, type Program } from "../../src/program/program.ts";
import { outputsOf, type Dimensions, type Shape } from "../../src/program/shapes.ts";

export type Values = Map<Ref, Float64Array>;

interface Context {
  readonly dims: Dimensions;
  readonly values: Values;
  readonly shapes: Map<Ref, Shape>;
  /** [B, T] each. */
  readonly tokens: ArrayLike<number>;
  readonly targets: ArrayLike<number>;
  /** For updates: the step from 1 on, and the schedule's factor. */
  readonly step: number;
  readonly factor: number;
}

const rows = ({ dims }: Context): number => dims.batch * dims.context;
const lastSize = (c: Context, ref: Ref): number => c.shapes.get(ref)?.at(-1) as number;
/** Lane n of a tensor. */
function lane(c: Context, ref: Ref, n: number): Float64Array {
  const data = c.values.get(ref);
  if (data === undefined) throw new Error(`${ref} has no value`);
  const size = data.length / c.dims.trials;
  return data.subarray(n * size, (n + 1) * size);
}
const eachLane = (c: Context, body: (n: number) => void): void => {
  for (let n = 0; n < c.dims.trials; n++) body(n);
};
const at = (x: ArrayLike<number>, index: number): number => x[index];

/** a [M,K] · b [K,P] added to out [M,P]; the flags read a or b transposed. */
function multiplyInto(
  out: Float64Array,
  a: Float64Array,
  b: Float64Array,
  m: number,
  k: number,
  p: number,
  transA = false,
  transB = false,
): void {
  for (let i = 0; i < m; i++)
    for (let j = 0; j < p; j++) {
      let sum = 0;
      for (let l = 0; l < k; l++) sum += at(a, transA ? l * m + i : i * k + l) * at(b, transB ? j * k + l : l * p + j);
      out[i * p + j] = at(out, i * p + j) + sum;
    }
}

interface Normalized {
  readonly hat: Float64Array;
  readonly inverseStd: Float64Array;
}
function normalize(x: Float64Array, width: number, norm: Norm = "layer_norm"): Normalized {
  const count = x.length / width;
  const hat = new Float64Array(x.length);
  const inverseStd = new Float64Array(count);
  for (let r = 0; r < count; r++) {
    const row = x.subarray(r * width, (r + 1) * width);
    const mean = norm === "layer_norm" ? row.reduce((a, b) => a + b) / width : 0;
    const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / width;
    inverseStd[r] = 1 / Math.sqrt(variance + 1e-5);
    row.forEach((value, i) => (hat[r * width + i] = (value - mean) * at(inverseStd, r)));
  }
  return { hat, inverseStd };
}

/** Heads of queries, their size, and how the columns of a head of queries lie among those of its keys. */
function headsOf(c: Context, op: OpOf<"attention">) {
  const [C, K, D] = [lastSize(c, op.query), lastSize(c, op.key), op.headDim];
  const H = C / D;
  return { C, K, D, H, keyHead: (h: number): number => Math.floor(h / (C / K)) };
}

/** Attention weights [B, H, T, T] of one lane. */
function attentionWeights(c: Context, op: OpOf<"attention">, n: number): Float64Array {
  const { batch: B, context: T } = c.dims;
  const { C, K, D, H, keyHead } = headsOf(c, op);
  const [q, k] = [lane(c, op.query, n), lane(c, op.key, n)];
  const weights = new Float64Array(B * H * T * T);
  for (let b = 0; b < B; b++)
    for (let h = 0; h < H; h++)
      for (let t = 0; t < T; t++) {
        const base = ((b * H + h) * T + t) * T;
        let total = 0;
        for (let s = 0; s <= t; s++) {
          let score = 0;
          for (let d = 0; d < D; d++) score += at(q, (b * T + t) * C + h * D + d) * at(k, (b * T + s) * K + keyHead(h) * D + d);
          weights[base + s] = Math.exp(score);
          total += at(weights, base + s);
        }
        for (let s = 0; s <= t; s++) weights[base + s] = at(weights, base + s) / total;
      }
  return weights;
}

const geluOf = (x: number): number => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
function geluSlope(x: number): number {
  const inner = Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3);
  const tanh = Math.tanh(inner);
  return 0.5 * (1 + tanh) + 0.5 * x * (1 - tanh ** 2) * Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x ** 2);
}

function probabilities(logits: Float64Array, vocabulary: number): Float64Array {
  const result = new Float64Array(logits.length);
  for (let r = 0; r < logits.length; r += vocabulary) {
    const row = logits.subarray(r, r + vocabulary);
    const top = row.reduce((most, value) => Math.max(most, value), -Infinity);
    const total = row.reduce((sum, value) => sum + Math.exp(value - top), 0);
    row.forEach((value, i) => (result[r + i] = Math.exp(value - top) / total));
  }
  return result;
}

/** Heads of queries or keys, normalised where they have a norm. */
function headNorm(c: Context, op: OpOf<"heads">, n: number): Normalized {
  const x = lane(c, op.x, n);
  return op.gain ? normalize(x, op.headDim, "rms_norm") : { hat: x, inverseStd: new Float64Array() };
}
/** Rows of heads with each pair (j, j + D/2) turned by its angle, as a product of complex numbers; back by a `sign` of −1. */
function turn(c: Context, { x, headDim: D, theta }: OpOf<"heads">, rowsOfHeads: Float64Array, sign: 1 | -1): Float64Array {
  if (theta === undefined) return rowsOfHeads;
  const turned = new Float64Array(rowsOfHeads.length);
  const width = lastSize(c, x);
  for (let head = 0; head < turned.length; head += D)
    for (let j = 0; j < D / 2; j++) {
      const angle = sign * (Math.floor(head / width) % c.dims.context) * theta ** ((-2 * j) / D);
      const [a, b] = [at(rowsOfHeads, head + j), at(rowsOfHeads, head + j + D / 2)];
      turned[head + j] = a * Math.cos(angle) - b * Math.sin(angle);
      turned[head + j + D / 2] = a * Math.sin(angle) + b * Math.cos(angle);
    }
  return turned;
}

/** What an update keeps of its parameter. */
const slot = (parameter: Ref, part: string): Ref => `${part}/${parameter}`;
/** a·b or, with a flag, a·bᵀ, of matrices [M, K] and [K, P]. */
function multiplied(a: Float64Array, b: Float64Array, [m, k, p]: readonly [number, number, number], transB = false): Float64Array {
  const out = new Float64Array(m * p);
  multiplyInto(out, a, b, m, k, p, false, transB);
  return out;
}
/** What five Newton–Schulz steps make of a matrix [n, k], whichever of its sides is longer. */
function orthogonalized(matrix: Float64Array, n: number, k: number): Float64Array {
  const { steps, a, b, c: fifth, epsilon } = newtonSchulz;
  const norm = Math.hypot(...matrix) + epsilon;
  let x = matrix.map((value) => value / norm);
  for (let step = 0; step < steps; step++) {
    const square = multiplied(x, x, [n, k, n], true);
    const [third, last] = [multiplied(square, x, [n, n, k]), multiplied(multiplied(square, square, [n, n, n]), x, [n, n, k])];
    x = x.map((value, i) => a * value + b * at(third, i) + fifth * at(last, i));
  }
  return x;
}

const scalar = (c: Context, ref: Ref | undefined, n: number): number => (ref === undefined ? 1 : at(lane(c, ref, n), 0));

const rules: { readonly [K in Kind]: (op: OpOf<K>, c: Context) => void } = {
  embedding: (op, c) =>
    eachLane(c, (n) => {
      const C = lastSize(c, op.table);
      const [table, out] = [lane(c, op.table, n), lane(c, op.out, n)];
      const positions = op.positions === undefined ? new Float64Array(c.dims.context * C) : lane(c, op.positions, n);
      for (let r = 0; r < rows(c); r++)
        for (let i = 0; i < C; i++)
          out[r * C + i] = scalar(c, op.multiplier, n) * (at(table, at(c.tokens, r) * C + i) + at(positions, (r % c.dims.context) * C + i));
    }),
  transpose: ({ x, out }, c) =>
    eachLane(c, (n) => {
      const [rows, columns] = (c.shapes.get(x) as Shape).slice(1);
      lane(c, x, n).forEach((value, i) => (lane(c, out, n)[(i % columns) * rows + Math.floor(i / columns)] = value));
    }),
  norm_linear: (op, c) =>
    eachLane(c, (n) => {
      const C = lastSize(c, op.x);
      const { hat } = normalize(lane(c, op.x, n), C, op.norm);
      const gain = lane(c, op.gain, n);
      const shift = op.shift === undefined ? undefined : lane(c, op.shift, n);
      const y = hat.map((value, i) => value * at(gain, i % C) + (shift ? at(shift, i % C) : 0));
      for (const { weight, bias, multiplier, out } of op.branches) {
        const F = lastSize(c, weight);
        const result = lane(c, out, n);
        if (bias) result.forEach((_, i) => (result[i] = at(lane(c, bias, n), i % F)));
        multiplyInto(result, y, lane(c, weight, n), rows(c), C, F);
        result.forEach((value, i) => (result[i] = scalar(c, multiplier, n) * value));
      }
    }),
  linear: (op, c) =>
    eachLane(c, (n) => {
      const [K, F] = [lastSize(c, op.x), lastSize(c, op.weight)];
      const out = lane(c, op.out, n);
      if (op.bias) out.forEach((_, i) => (out[i] = at(lane(c, op.bias as Ref, n), i % F)));
      multiplyInto(out, lane(c, op.x, n), lane(c, op.weight, n), rows(c), K, F);
      out.forEach((value, i) => (out[i] = scalar(c, op.multiplier, n) * value));
    }),
  heads: (op, c) =>
    eachLane(c, (n) => {
      const { hat } = headNorm(c, op, n);
      const scaled = hat.map((value, i) => value * (op.gain ? at(lane(c, op.gain, n), i % op.headDim) : 1) * scalar(c, op.multiplier, n));
      lane(c, op.out, n).set(turn(c, op, scaled, 1));
    }),
  heads_backward: ({ of, dOut, dX, dGain }, c) =>
    eachLane(c, (n) => {
      const D = of.headDim;
      const { hat, inverseStd } = headNorm(c, of, n);
      const d = turn(c, of, lane(c, dOut, n), -1).map((value) => value * scalar(c, of.multiplier, n));
      if (!of.gain || !dGain) return lane(c, dX, n).set(d);
      const gain = lane(c, of.gain, n);
      d.forEach((value, i) => (lane(c, dGain, n)[i % D] = at(lane(c, dGain, n), i % D) + value * at(hat, i)));
      const dHat = d.map((value, i) => value * at(gain, i % D));
      for (let r = 0; r < d.length; r += D) {
        let along = 0;
        for (let i = r; i < r + D; i++) along += (at(dHat, i) * at(hat, i)) / D;
        for (let i = r; i < r + D; i++) lane(c, dX, n)[i] = at(inverseStd, r / D) * (at(dHat, i) - at(hat, i) * along);
      }
    }),
  attention: (op, c) =>
    eachLane(c, (n) => {
      const { batch: B, context: T } = c.dims;
      const { C, K, D, H, keyHead } = headsOf(c, op);
      const weights = attentionWeights(c, op, n);
      const [v, out] = [lane(c, op.value, n), lane(c, op.out, n)];
      for (let b = 0; b < B; b++)
        for (let h = 0; h < H; h++)
          for (let t = 0; t < T; t++)
            for (let d = 0; d < D; d++) {
              let sum = 0;
              for (let s = 0; s <= t; s++) sum += at(weights, ((b * H + h) * T + t) * T + s) * at(v, (b * T + s) * K + keyHead(h) * D + d);
              out[(b * T + t) * C + h * D + d] = sum;
            }
    }),
  relu2: (op, c) => eachLane(c, (n) => lane(c, op.x, n).forEach((x, i) => (lane(c, op.out, n)[i] = Math.max(x, 0) ** 2))),
  swiglu: (op, c) =>
    eachLane(c, (n) =>
      lane(c, op.gate, n).forEach((g, i) => (lane(c, op.out, n)[i] = (g / (1 + Math.exp(-g))) * at(lane(c, op.up, n), i))),
    ),
  gelu: (op, c) => eachLane(c, (n) => lane(c, op.x, n).forEach((x, i) => (lane(c, op.out, n)[i] = geluOf(x)))),
  add: (op, c) => eachLane(c, (n) => lane(c, op.a, n).forEach((a, i) => (lane(c, op.out, n)[i] = a + at(lane(c, op.b, n), i)))),
  cross_entropy: (op, c) =>
    eachLane(c, (n) => {
      const V = lastSize(c, op.logits);
      const p = probabilities(lane(c, op.logits, n), V);
      let sum = 0;
      for (let r = 0; r < rows(c); r++) sum -= Math.log(at(p, r * V + at(c.targets, r)));
      lane(c, op.out, n)[0] = sum / rows(c);
    }),
  embedding_backward: ({ of, dOut, dTable, dPositions }, c) =>
    eachLane(c, (n) => {
      const C = lastSize(c, of.table);
      const [d, table] = [lane(c, dOut, n), lane(c, dTable, n)];
      const positions = dPositions === undefined ? new Float64Array(c.dims.context * C) : lane(c, dPositions, n);
      for (let r = 0; r < rows(c); r++)
        for (let i = 0; i < C; i++) {
          const g = scalar(c, of.multiplier, n) * at(d, r * C + i);
          const [a, b] = [at(c.tokens, r) * C + i, (r % c.dims.context) * C + i];
          table[a] = at(table, a) + g;
          positions[b] = at(positions, b) + g;
        }
    }),
  norm_linear_backward: (op, c) =>
    eachLane(c, (n) => {
      const { of } = op;
      const C = lastSize(c, of.x);
      const { hat, inverseStd } = normalize(lane(c, of.x, n), C, of.norm);
      const gain = lane(c, of.gain, n);
      const shift = of.shift === undefined ? undefined : lane(c, of.shift, n);
      const y = hat.map((value, i) => value * at(gain, i % C) + (shift ? at(shift, i % C) : 0));
      const dY = new Float64Array(y.length);
      op.branches.forEach(({ dOut, dWeight, dBias }, index) => {
        const { weight, multiplier } = of.branches[index];
        const F = lastSize(c, weight);
        const scaled = lane(c, dOut, n).map((value) => value * scalar(c, multiplier, n));
        multiplyInto(lane(c, dWeight, n), y, scaled, C, rows(c), F, true);
        if (dBias) scaled.forEach((value, i) => (lane(c, dBias, n)[i % F] = at(lane(c, dBias, n), i % F) + value));
        multiplyInto(dY, scaled, lane(c, weight, n), rows(c), F, C, false, true);
      });
      dY.forEach((value, i) => {
        lane(c, op.dGain, n)[i % C] = at(lane(c, op.dGain, n), i % C) + value * at(hat, i);
        if (op.dShift) lane(c, op.dShift, n)[i % C] = at(lane(c, op.dShift, n), i % C) + value;
      });
      const dX = lane(c, op.dX, n);
      for (let r = 0; r < rows(c); r++) {
        const dHat = Array.from({ length: C }, (_, i) => at(dY, r * C + i) * at(gain, i));
        const mean = of.norm === "layer_norm" ? dHat.reduce((a, b) => a + b) / C : 0;
        const along = dHat.reduce((sum, value, i) => sum + value * at(hat, r * C + i), 0) / C;
        dHat.forEach((value, i) => (dX[r * C + i] = at(inverseStd, r) * (value - mean - at(hat, r * C + i) * along)));
      }
    }),
  linear_backward: ({ of, dOut, dX, dWeight, dBias }, c) =>
    eachLane(c, (n) => {
      const [K, F] = [lastSize(c, of.x), lastSize(c, of.weight)];
      const d = lane(c, dOut, n).map((value) => value * scalar(c, of.multiplier, n));
      multiplyInto(lane(c, dWeight, n), lane(c, of.x, n), d, K, rows(c), F, true);
      multiplyInto(lane(c, dX, n), d, lane(c, of.weight, n), rows(c), F, K, false, true);
      if (dBias) d.forEach((value, i) => (lane(c, dBias, n)[i % F] = at(lane(c, dBias, n), i % F) + value));
    }),
  attention_backward: ({ of, dOut, dQuery, dKey, dValue }, c) =>
    eachLane(c, (n) => {
      const { batch: B, context: T } = c.dims;
      const { C, K, D, H, keyHead } = headsOf(c, of);
      const weights = attentionWeights(c, of, n);
      const [q, k, v, d] = [of.query, of.key, of.value, dOut].map((ref) => lane(c, ref, n)) as [
        Float64Array,
        Float64Array,
        Float64Array,
        Float64Array,
      ];
      const [dQ, dK, dV] = [dQuery, dKey, dValue].map((ref) => lane(c, ref, n)) as [Float64Array, Float64Array, Float64Array];
      const add = (x: Float64Array, i: number, value: number): void => void (x[i] = at(x, i) + value);
      for (let b = 0; b < B; b++)
        for (let h = 0; h < H; h++)
          for (let t = 0; t < T; t++) {
            const cell = (time: number, dim: number): number => (b * T + time) * C + h * D + dim;
            const keyCell = (time: number, dim: number): number => (b * T + time) * K + keyHead(h) * D + dim;
            const base = ((b * H + h) * T + t) * T;
            const dWeights = Array.from({ length: t + 1 }, (_, s) => {
              let sum = 0;
              for (let e = 0; e < D; e++) sum += at(d, cell(t, e)) * at(v, keyCell(s, e));
              return sum;
            });
            const mean = dWeights.reduce((sum, value, s) => sum + value * at(weights, base + s), 0);
            dWeights.forEach((value, s) => {
              const weight = at(weights, base + s);
              const dScore = weight * (value - mean);
              for (let e = 0; e < D; e++) {
                add(dV, keyCell(s, e), weight * at(d, cell(t, e)));
                add(dQ, cell(t, e), dScore * at(k, keyCell(s, e)));
                add(dK, keyCell(s, e), dScore * at(q, cell(t, e)));
              }
            });
          }
    }),
  relu2_backward: ({ of, dOut, dX }, c) =>
    eachLane(c, (n) => lane(c, of.x, n).forEach((x, i) => (lane(c, dX, n)[i] = at(lane(c, dOut, n), i) * 2 * Math.max(x, 0)))),
  swiglu_backward: ({ of, dOut, dGate, dUp }, c) =>
    eachLane(c, (n) =>
      lane(c, of.gate, n).forEach((g, i) => {
        const [s, d] = [1 / (1 + Math.exp(-g)), at(lane(c, dOut, n), i)];
        lane(c, dUp, n)[i] = d * g * s;
        lane(c, dGate, n)[i] = d * at(lane(c, of.up, n), i) * (s + g * s * (1 - s));
      }),
    ),
  gelu_backward: ({ of, dOut, dX }, c) =>
    eachLane(c, (n) => lane(c, of.x, n).forEach((x, i) => (lane(c, dX, n)[i] = at(lane(c, dOut, n), i) * geluSlope(x)))),
  cross_entropy_backward: ({ of, dLogits }, c) =>
    eachLane(c, (n) => {
      const V = lastSize(c, of.logits);
      const d = lane(c, dLogits, n);
      const logits = lane(c, of.logits, n);
      d.set(probabilities(logits, V));
      for (let r = 0; r < rows(c) && of.zLoss !== undefined; r++) {
        const logSum = at(logits, r * V) - Math.log(at(d, r * V));
        for (let i = r * V; i < (r + 1) * V; i++) d[i] = at(d, i) * (1 + 2 * of.zLoss * logSum);
      }
      for (let r = 0; r < rows(c); r++) d[r * V + at(c.targets, r)] = at(d, r * V + at(c.targets, r)) - 1;
      d.forEach((value, i) => (d[i] = value / rows(c)));
    }),
  clip: ({ gradients, limit, out }, c) =>
    eachLane(c, (n) => {
      const squares = gradients.map((ref) => lane(c, ref, n).reduce((sum, value) => sum + value ** 2, 0));
      lane(c, out, n)[0] = Math.min(1, limit / (Math.sqrt(squares.reduce((a, b) => a + b)) + 1e-6));
    }),
  adamw: ({ parameter, gradient, scale, learningRate, decay, epsilon, beta1, beta2 }, c) =>
    eachLane(c, (n) => {
      const [w, m, v] = [parameter, slot(parameter, "firstMoment"), slot(parameter, "secondMoment")].map((ref) => lane(c, ref, n));
      const rate = c.factor * scalar(c, learningRate, n);
      lane(c, gradient, n).forEach((each, i) => {
        const g = scalar(c, scale, n) * each;
        m[i] = beta1 * at(m, i) + g;
        v[i] = beta2 * at(v, i) + g * g;
        const [first, second] = [(at(m, i) * (1 - beta1)) / (1 - beta1 ** c.step), (at(v, i) * (1 - beta2)) / (1 - beta2 ** c.step)];
        const kept = decay === undefined ? 1 : 1 - c.factor * scalar(c, decay, n);
        w[i] = at(w, i) * kept - (rate * first) / (Math.sqrt(second) + scalar(c, epsilon, n));
      });
    }),
  muon: ({ parameter, gradient, scale, learningRate, decay, momentum }, c) =>
    eachLane(c, (n) => {
      const [, fanIn, fanOut] = c.shapes.get(parameter) as [number, number, number];
      const [w, b] = [parameter, slot(parameter, "momentum")].map((ref) => lane(c, ref, n));
      const g = lane(c, gradient, n).map((value) => scalar(c, scale, n) * value);
      g.forEach((value, i) => (b[i] = momentum * at(b, i) + value));
      const direction = orthogonalized(
        g.map((value, i) => value + momentum * at(b, i)),
        fanIn,
        fanOut,
      );
      const rate = c.factor * scalar(c, learningRate, n) * Math.sqrt(fanOut / fanIn);
      const kept = decay === undefined ? 1 : 1 - c.factor * scalar(c, decay, n);
      direction.forEach((value, i) => (w[i] = at(w, i) * kept - rate * value));
    }),
};

/** Runs ops in order on float64 values; adds what they write to `values`. */
export function runReference(
  ops: readonly Op[],
  dims: Dimensions,
  shapes: ReadonlyMap<Ref, Shape>,
  values: Values,
  tokens: ArrayLike<number>,
  targets: ArrayLike<number>,
  { step, factor } = { step: 1, factor: 1 },
): void {
  const c: Context = { dims, values, shapes: new Map(shapes), tokens, targets, step, factor };
  const lookup = (ref: Ref): Shape => c.shapes.get(ref) as Shape;
  for (const op of ops) {
    for (const [ref, shape] of outputsOf(op, lookup, dims)) {
      c.shapes.set(ref, shape);
      values.set(ref, new Float64Array(sizeOf(shape)));
    }
    dispatch(rules, op, c);
  }
}

/** Forward and backward pass of a whole program. */
export function referencePass(program: Program, values: Values, tokens: ArrayLike<number>, targets: ArrayLike<number>): Values {
  const all = new Map(values);
  runReference([...program.forward, ...program.backward], program.dims, program.shapes, all, tokens, targets);
  return all;
}

/** Losses [K, N] of some steps of a whole program, from values that it changes. */
export function referenceTraining(
  program: Program,
  start: Values,
  { count, tokens, targets }: Batches,
  factors: ArrayLike<number>,
): readonly number[] {
  const values = new Map(start);
  for (const parameter of program.parameters)
    for (const part of statePartsOf(program, parameter).filter((each) => each !== "weight"))
      values.set(slot(parameter, part), new Float64Array((values.get(parameter) as Float64Array).length));
  const cells = tokens.length / count;
  return Array.from({ length: count }, (_, k) => {
    const ids = [tokens, targets].map((each) => each.subarray(k * cells, (k + 1) * cells)) as [Int32Array, Int32Array];
    runReference(stepOps(program), program.dims, program.shapes, values, ...ids, { step: k + 1, factor: factors[k] });
    return [...(values.get(program.loss) as Float64Array)];
  }).flat();
}
