/** Forward ops as small ops; each rule keeps what its backward rule will need. */
import { normEpsilon, type ForwardKind, type Norm } from "../../program/ops.ts";
import type { SmallOpsRule } from "./expansion.ts";
import { headRows, turned } from "./heads.ts";

/** What the algebra has for each norm. */
const normalizeAs = { layer_norm: "normalize", rms_norm: "normalizeSquare" } as const satisfies { readonly [K in Norm]: string };

/** √(2/π) and the cubic coefficient of GELU's tanh form. Source: Hendrycks & Gimpel 2016. */
export const geluScale = Math.sqrt(2 / Math.PI);
/** The factor of the cubic term in the tanh form of GELU. */
export const geluCubic = 0.044715;

/** The rule of each forward op. */
export const forwardRules: { readonly [K in ForwardKind]: SmallOpsRule<K> } = {
  embedding: ({ table, positions, multiplier, out }, e) => {
    const { algebra: a } = e;
    const ofTokens = a.rowsOfTokens(e.value(table));
    const rows = positions ? a.addPositions(ofTokens, e.value(positions), e.last(table)) : ofTokens;
    e.set(out, a.multiply(rows, e.scalar(multiplier, 3)));
  },

  transpose: ({ x, out }, e) => e.set(out, e.algebra.transpose(e.value(x), [0, 2, 1])),

  // Gain and multiplier scale the weight (C × F) instead of the activations (R × C).
  norm_linear: (op, e) => {
    const { algebra: a } = e;
    const { normal, inverseStd } = a[normalizeAs[op.norm]](e.value(op.x), e.last(op.x), normEpsilon);
    const gain = e.column(op.gain);
    const kept = { normal, inverseStd } as Record<string, typeof normal>;
    op.branches.forEach(({ weight, bias, multiplier, out }, index) => {
      const factor = multiplier ? a.multiply(gain, e.scalar(multiplier, 3)) : gain;
      const effective = a.multiply(e.value(weight), factor);
      kept[`factor${index}`] = factor;
      kept[`effective${index}`] = effective;
      const product = a.product(normal, effective);
      const offsets = [...(op.shift ? [a.product(e.row(op.shift), e.value(weight))] : []), ...(bias ? [e.row(bias)] : [])];
      if (offsets.length === 0) return e.set(out, product);
      const offset = offsets.reduce((x, y) => a.add(x, y));
      e.set(out, a.add(product, multiplier ? a.multiply(offset, e.scalar(multiplier, 3)) : offset));
    });
    e.keep(op, kept);
  },

  // The multiplier scales weight and bias instead of the activations.
  linear: (op, e) => {
    const { algebra: a } = e;
    const scaled = (value: ReturnType<typeof e.value>): typeof value =>
      op.multiplier ? a.multiply(value, e.scalar(op.multiplier, 3)) : value;
    const effective = scaled(e.value(op.weight));
    const product = a.product(e.value(op.x), effective);
    e.set(op.out, op.bias ? a.add(product, scaled(e.row(op.bias))) : product);
    e.keep(op, { effective });
  },

  heads: (op, e) => {
    const { algebra: a } = e;
    const width = e.last(op.x);
    const byHead = headRows(e, op);
    let x = e.value(op.x);
    if (op.gain) {
      const { normal, inverseStd } = a.normalizeSquare(a.reshape(x, byHead), op.headDim, normEpsilon);
      e.keep(op, { normal, inverseStd });
      x = a.reshape(a.multiply(normal, e.row(op.gain)), [e.trials, a.rows, width]);
    }
    if (op.theta !== undefined) x = turned(e, x, op, op.theta, false);
    e.set(op.out, op.multiplier ? a.multiply(x, e.scalar(op.multiplier, 3)) : x);
  },

  attention: (op, e) => {
    const { algebra: a } = e;
    const width = e.last(op.query);
    const heads = width / op.headDim;
    const shared = width / e.last(op.key);
    const query = a.heads(e.value(op.query), heads, width);
    const [key, value] = ([op.key, op.value] as const).map((ref) =>
      a.heads(a.repeatHeads(e.value(ref), op.headDim, width, shared), heads, width),
    );
    const mask = e.once("mask", () => a.causalMask());
    const weights = a.softmax(a.add(a.headScores(query, key), mask));
    e.set(op.out, a.mixHeads(weights, value, false, heads, width));
    e.keep(op, { query, key, value, weights });
  },

  // GELU(x) = x·σ(2u) with u = √(2/π)(x + 0.044715x³), as tanh(u) = 2σ(2u) − 1.
  gelu: (op, e) => {
    const { algebra: a } = e;
    const x = e.value(op.x);
    const square = a.multiply(x, x);
    const slope = a.add(a.multiply(square, a.scalar(2 * geluScale * geluCubic)), a.scalar(2 * geluScale));
    const gate = a.sigmoid(a.multiply(x, slope));
    e.set(op.out, a.multiply(x, gate));
    e.keep(op, { square, gate });
  },

  relu2: (op, e) => {
    const { algebra: a } = e;
    const positive = a.positive(e.value(op.x));
    e.set(op.out, a.multiply(positive, positive));
    e.keep(op, { positive });
  },

  swiglu: (op, e) => {
    const { algebra: a } = e;
    const sigma = a.sigmoid(e.value(op.gate));
    const active = a.multiply(e.value(op.gate), sigma);
    e.set(op.out, a.multiply(active, e.value(op.up)));
    e.keep(op, { sigma, active });
  },

  add: (op, e) => e.set(op.out, e.algebra.add(e.value(op.a), e.value(op.b))),

  cross_entropy: (op, e) => {
    const { algebra: a } = e;
    const logProbabilities = a.logSoftmax(e.value(op.logits));
    const vocabulary = e.last(op.logits);
    const pickedOf = (x: typeof logProbabilities): typeof x => a.takeTargets(x, vocabulary);
    const picked = pickedOf(logProbabilities);
    e.set(op.out, a.reshape(a.multiply(a.sum(picked, [1]), a.scalar(-1 / a.rows)), [e.trials]));
    // log Σ exp(logits) is what any logit lies above its log-probability: the target's is at hand.
    const logSum = op.zLoss !== undefined && a.subtract(pickedOf(e.value(op.logits)), picked);
    e.keep(op, { logProbabilities, ...(logSum && { logSum: a.reshape(logSum, [e.trials, a.rows, 1]) }) });
  },
};
