/**
 * Forward ops as ONNX nodes. Each rule writes its outputs under the program's own
 * names and keeps what its backward rule will need.
 */
import type { ForwardKind } from "../../program/ops.ts";
import type { Graph, Value } from "./graph.ts";
import type { Lowering, LoweringRule } from "./lowering.ts";

/** √(2/π) and the cubic coefficient of GELU's tanh form. Source: Hendrycks & Gimpel 2016. */
export const geluScale = Math.sqrt(2 / Math.PI);
export const geluCubic = 0.044715;
export const normEpsilon = 1e-5;

/** [T, T], 0 where a query may look and −3e38 above the diagonal; made once per call. */
function causalMask(lowering: Lowering): Value {
  const { outer, context } = lowering;
  return lowering.once("mask", () => {
    const filled = outer.node("Expand", [outer.scalar(-3e38), outer.constant("int64", [2], [context, context])]);
    return outer.node("Trilu", [filled, outer.constant("int64", [], [1])], { upper: 1 });
  });
}

/** Position of each row's target logit in the flattened [N, T·B, V]. */
function targetIndices(lowering: Lowering, vocabulary: number): Value {
  const { outer, step, trials, rows } = lowering;
  return lowering.once("targets", () => {
    const starts = outer.constant(
      "int32",
      [trials, rows],
      Array.from({ length: trials * rows }, (_, row) => row * vocabulary),
    );
    return step.add(starts, lowering.inputs.targets);
  });
}

/** σ(2u) with u = √(2/π)(x + 0.044715x³), so that GELU(x) = x·σ(2u), as tanh(u) = 2σ(2u) − 1. */
function geluGate(g: Graph, x: Value, square: Value): Value {
  const slope = g.add(g.multiply(square, g.scalar(2 * geluScale * geluCubic)), g.scalar(2 * geluScale));
  return g.node("Sigmoid", [g.multiply(x, slope)]);
}

export const forwardRules: { readonly [K in ForwardKind]: LoweringRule<K> } = {
  embedding: ({ table, positions, multiplier, out }, l) => {
    const { step: g, trials, context, batch, rows } = l;
    const width = l.last(table);
    const tokens = g.reshape(g.node("Gather", [table, l.inputs.tokens], { axis: 1 }), [trials, context, batch, width]);
    const sum = g.add(tokens, g.reshape(positions, [trials, context, 1, width]));
    g.multiply(g.reshape(sum, [trials, rows, width]), l.scalar(multiplier, 3), out);
  },

  // Gain and multiplier scale the weight (C × F) instead of the activations (T·B × C).
  norm_linear: (op, l) => {
    const { step: g, outer } = l;
    const width = l.last(op.x);
    const ones = outer.constant("float", [width], Array<number>(width).fill(1));
    const [normalized, mean, inverseStd] = [g.fresh(), g.fresh(), g.fresh()];
    g.multi("LayerNormalization", [op.x, ones], { axis: -1, epsilon: { float: normEpsilon } }, [normalized, mean, inverseStd]);
    const gain = l.column(op.gain);
    const kept: Record<string, Value> = { normalized, inverseStd };
    op.branches.forEach(({ weight, bias, multiplier, out }, index) => {
      const factor = multiplier ? g.multiply(gain, l.scalar(multiplier, 3)) : gain;
      const effective = g.multiply(weight, factor);
      kept[`factor${index}`] = factor;
      kept[`effective${index}`] = effective;
      const offsets = [...(op.shift ? [g.product(l.row(op.shift), weight)] : []), ...(bias ? [l.row(bias)] : [])];
      if (offsets.length === 0) return void g.product(normalized, effective, {}, out);
      const offset = offsets.reduce((a, b) => g.add(a, b));
      g.add(g.product(normalized, effective), multiplier ? g.multiply(offset, l.scalar(multiplier, 3)) : offset, out);
    });
    l.keep(op, kept);
  },

  linear: ({ x, weight, bias, out }, l) => {
    const { step: g } = l;
    if (bias === undefined) return void g.product(x, weight, {}, out);
    g.add(g.product(x, weight), l.row(bias), out);
  },

  attention: (op, l) => {
    const { step: g } = l;
    const width = l.last(op.query);
    const [query, key, value] = [op.query, op.key, op.value].map((ref) => l.heads(ref, op.heads, width)) as [Value, Value, Value];
    const scores = g.product(query, key, { transBatchA: 1, transBatchB: 1, transB: 1 }); // [N·B, H, T, T]
    const weights = g.node("Softmax", [g.add(scores, causalMask(l))], { axis: -1 });
    l.unheads(g.product(weights, value, { transBatchB: 1 }), op.heads, width, op.out);
    l.keep(op, { query, key, value, weights });
  },

  gelu: (op, l) => {
    const { step: g } = l;
    const square = g.multiply(op.x, op.x);
    const gate = geluGate(g, op.x, square);
    g.multiply(op.x, gate, op.out);
    l.keep(op, { square, gate });
  },

  add: ({ a, b, out }, { step: g }) => void g.add(a, b, out),

  cross_entropy: (op, l) => {
    const { step: g, trials, rows } = l;
    const vocabulary = l.last(op.logits);
    const logProbabilities = g.node("LogSoftmax", [op.logits], { axis: -1 });
    const indices = targetIndices(l, vocabulary);
    const picked = g.node("Gather", [g.reshape(logProbabilities, [trials * rows * vocabulary]), indices]); // [N, T·B]
    const mean = g.node("ReduceMean", [picked], { axes: [1], keepdims: 0 });
    g.node("Neg", [mean], {}, op.out);
    l.keep(op, { logProbabilities, indices });
  },
};
