/**
 * Backward ops as ONNX nodes, hand-derived; each writes the gradients under the
 * program's own names from what its forward op kept.
 */
import type { BackwardKind } from "../../program/ops.ts";
import { geluCubic, geluScale } from "./forward.ts";
import type { Value } from "./graph.ts";
import type { Lowering, LoweringRule } from "./lowering.ts";

/** Above this vocabulary a one-hot product costs more than adding rows one by one. */
const oneHotLimit = 512;

/** Sums rows dX [N, T·B, C] into dTable [N, V, C] by token id. */
function scatterRows(l: Lowering, dX: Value, vocabulary: number, width: number, name: Value): void {
  const { step: g, outer, trials, rows } = l;
  if (vocabulary <= oneHotLimit) {
    const identity = l.once("identity", () =>
      outer.node("EyeLike", [outer.node("Expand", [outer.scalar(0), outer.constant("int64", [2], [vocabulary, vocabulary])])]),
    );
    g.product(g.node("Gather", [identity, l.inputs.tokens]), dX, { transA: 1 }, name);
    return;
  }
  // Not ScatterND: its threads race when a token occurs twice.
  const zeros = l.once("zeros", () => outer.node("Expand", [outer.scalar(0), outer.constant("int64", [3], [trials, vocabulary, width])]));
  const indices = g.node("Expand", [g.reshape(l.inputs.tokens, [1, rows, 1]), g.constant("int64", [3], [trials, rows, width])]);
  g.node("ScatterElements", [zeros, indices, dX], { axis: 1, reduction: "add" }, name);
}

export const backwardRules: { readonly [K in BackwardKind]: LoweringRule<K> } = {
  embedding_backward: ({ of, dOut, dTable, dPositions }, l) => {
    const { step: g, trials, context, batch } = l;
    const width = l.last(of.out);
    const dX = g.multiply(dOut, l.scalar(of.multiplier, 3));
    g.sum(g.reshape(dX, [trials, context, batch, width]), [2], false, dPositions);
    scatterRows(l, dX, l.shape(of.table)[1], width, dTable);
  },

  // With W' = gain·multiplier·W: dW = gain·multiplier·(x̂ᵀdY), dGain = multiplier·rowsum((x̂ᵀdY)·W), dx̂ = dY·W'ᵀ,
  // dX = (dx̂ − mean(dx̂) − x̂·mean(dx̂·x̂)) / std.
  norm_linear_backward: ({ of, dX, dGain, dShift, branches }, l) => {
    const { step: g, trials } = l;
    const width = l.last(of.x);
    const normalized = l.recall(of, "normalized");
    const gains: Value[] = [];
    const shifts: Value[] = [];
    const normalizedGradients = branches.map(({ dOut, dWeight, dBias }, index) => {
      const { weight, multiplier } = of.branches[index];
      const scaled = (x: Value): Value => (multiplier ? g.multiply(x, l.scalar(multiplier, 3)) : x);
      const outer = g.product(normalized, dOut, { transA: 1 }); // x̂ᵀdY, [N, C, F]
      const dEffective = g.multiply(outer, l.recall(of, `factor${index}`), of.shift ? undefined : dWeight);
      gains.push(scaled(g.sum(g.multiply(outer, weight), [2], true)));
      if (of.shift || dBias) {
        const columns = scaled(l.rowSum(dOut)); // [N, 1, F]
        if (dBias) l.named(columns, [trials, l.last(dBias)], dBias);
        if (of.shift) {
          g.add(dEffective, g.multiply(l.column(of.shift), columns), dWeight);
          shifts.push(g.product(weight, columns, { transB: 1 })); // [N, C, 1]
        }
      }
      return g.product(dOut, l.recall(of, `effective${index}`), { transB: 1 });
    });
    const sum = (terms: readonly Value[]): Value => terms.reduce((a, b) => g.add(a, b));
    l.named(sum(gains), [trials, width], dGain);
    if (dShift) l.named(sum(shifts), [trials, width], dShift);
    const dNormalized = sum(normalizedGradients);
    const centered = g.subtract(dNormalized, g.mean(dNormalized, -1));
    const along = g.mean(g.multiply(dNormalized, normalized), -1);
    g.multiply(g.subtract(centered, g.multiply(normalized, along)), l.recall(of, "inverseStd"), dX);
  },

  linear_backward: ({ of, dOut, dX, dWeight, dBias }, l) => {
    const { step: g, trials } = l;
    g.product(of.x, dOut, { transA: 1 }, dWeight);
    if (dBias) l.named(l.rowSum(dOut), [trials, l.last(dBias)], dBias);
    g.product(dOut, of.weight, { transB: 1 }, dX);
  },

  // dV = Pᵀ·dO, dP = dO·Vᵀ, dS = P·(dP − rowsum(dP·P)), dQ = dS·K, dK = dSᵀ·Q.
  attention_backward: ({ of, dOut, dQuery, dKey, dValue }, l) => {
    const { step: g } = l;
    const width = l.last(of.out);
    const weights = l.recall(of, "weights");
    const dMixed = l.heads(dOut, of.heads, width);
    const merge = (x: Value, name: Value): Value => l.unheads(x, of.heads, width, name);
    merge(g.product(weights, dMixed, { transA: 1, transBatchB: 1 }), dValue);
    const dWeights = g.product(dMixed, l.recall(of, "value"), { transBatchA: 1, transBatchB: 1, transB: 1 });
    const weighted = g.multiply(weights, dWeights);
    const dScores = g.subtract(weighted, g.multiply(weights, g.sum(weighted, [-1], true)));
    merge(g.product(dScores, l.recall(of, "key"), { transBatchB: 1 }), dQuery);
    merge(g.product(dScores, l.recall(of, "query"), { transA: 1, transBatchB: 1 }), dKey);
  },

  // GELU(x) = x·s, s = σ(z), z = 2u: d = s + x·s·(1 − s)·dz/dx with dz/dx = 2√(2/π)(1 + 3·0.044715x²).
  gelu_backward: ({ of, dOut, dX }, l) => {
    const { step: g } = l;
    const gate = l.recall(of, "gate");
    const slope = g.add(g.multiply(l.recall(of, "square"), g.scalar(6 * geluScale * geluCubic)), g.scalar(2 * geluScale));
    const curved = g.multiply(g.multiply(of.out, g.subtract(g.scalar(1), gate)), slope);
    g.multiply(dOut, g.add(gate, curved), dX);
  },

  cross_entropy_backward: ({ of, dLogits }, l) => {
    const { step: g, outer, trials, rows } = l;
    const vocabulary = l.last(of.logits);
    const probabilities = g.multiply(g.node("Exp", [l.recall(of, "logProbabilities")]), g.scalar(1 / rows));
    const minusOne = l.once("minusOne", () => outer.constant("float", [trials * rows], Array<number>(trials * rows).fill(-1 / rows)));
    const flat = g.reshape(probabilities, [trials * rows * vocabulary]);
    const indices = g.reshape(l.recall(of, "indices"), [trials * rows]);
    const scattered = g.node("ScatterElements", [flat, indices, minusOne], { axis: 0, reduction: "add" });
    l.named(scattered, [trials, rows, vocabulary], dLogits);
  },
};
