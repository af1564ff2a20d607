/** Forward ops as small ops; each rule keeps what its backward rule will need. */
import { normEpsilon, type ForwardKind } from "../../program/ops.ts";
import type { SmallOpsRule } from "./expansion.ts";

/** √(2/π) and the cubic coefficient of GELU's tanh form. Source: Hendrycks & Gimpel 2016. */
export const geluScale = Math.sqrt(2 / Math.PI);
/** The factor of the cubic term in the tanh form of GELU. */
export const geluCubic = 0.044715;

/** The rule of each forward op. */
export const forwardRules: { readonly [K in ForwardKind]: SmallOpsRule<K> } = {
  embedding: ({ table, positions, multiplier, out }, e) => {
    const { algebra: a } = e;
    const rows = a.addPositions(a.rowsOfTokens(e.value(table)), e.value(positions), e.last(table));
    e.set(out, a.multiply(rows, e.scalar(multiplier, 3)));
  },

  // Gain and multiplier scale the weight (C × F) instead of the activations (R × C).
  norm_linear: (op, e) => {
    const { algebra: a } = e;
    const { normal, inverseStd } = a.normalize(e.value(op.x), e.last(op.x), normEpsilon);
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

  attention: (op, e) => {
    const { algebra: a } = e;
    const width = e.last(op.query);
    const [query, key, value] = ([op.query, op.key, op.value] as const).map((ref) => a.heads(e.value(ref), op.heads, width));
    const weights = a.softmax(a.add(a.headScores(query, key), e.mask()));
    e.set(op.out, a.mixHeads(weights, value, false, op.heads, width));
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

  add: (op, e) => e.set(op.out, e.algebra.add(e.value(op.a), e.value(op.b))),

  cross_entropy: (op, e) => {
    const { algebra: a } = e;
    const logProbabilities = a.logSoftmax(e.value(op.logits));
    const picked = a.sum(a.takeTargets(logProbabilities, e.last(op.logits)), [1]);
    e.set(op.out, a.reshape(a.multiply(picked, a.scalar(-1 / a.rows)), [e.trials]));
    e.keep(op, { logProbabilities });
  },
};
