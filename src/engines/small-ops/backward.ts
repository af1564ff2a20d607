/** Backward ops as small ops, hand-derived, from what their forward ops kept. */
import type { BackwardKind } from "../../program/ops.ts";
import type { SmallOpsRule } from "./expansion.ts";
import { geluCubic, geluScale } from "./forward.ts";
import { headRows, turned } from "./heads.ts";

/** The rule of each backward op. */
export const backwardRules: { readonly [K in BackwardKind]: SmallOpsRule<K> } = {
  embedding_backward: ({ of, dOut, dTable, dPositions }, e) => {
    const { algebra: a } = e;
    const [, vocabulary, width] = e.shape(of.table);
    const dX = a.multiply(e.value(dOut), e.scalar(of.multiplier, 3));
    if (dPositions) e.set(dPositions, a.sumPositions(dX, width));
    e.set(dTable, a.sumByToken(dX, vocabulary, width));
  },

  // With W' = gain·multiplier·W: dW = gain·multiplier·(x̂ᵀdY), dGain = multiplier·rowsum((x̂ᵀdY)·W), dx̂ = dY·W'ᵀ,
  // dX = (dx̂ − mean(dx̂) − x̂·mean(dx̂·x̂)) / std, without mean(dx̂) where the norm takes off no mean.
  norm_linear_backward: ({ of, dX, dGain, dShift, branches }, e) => {
    const { algebra: a, trials } = e;
    const normal = e.recall(of, "normal");
    const gains: (typeof normal)[] = [];
    const shifts: (typeof normal)[] = [];
    const normalGradients = branches.map(({ dOut, dWeight, dBias }, index) => {
      const { weight, multiplier } = of.branches[index];
      const scaled = (x: typeof normal): typeof normal => (multiplier ? a.multiply(x, e.scalar(multiplier, 3)) : x);
      const dY = e.value(dOut);
      const outer = a.product(normal, dY, { a: true }); // x̂ᵀdY, [N, C, F]
      const dEffective = a.multiply(outer, e.recall(of, `factor${index}`));
      gains.push(scaled(a.sum(a.multiply(outer, e.value(weight)), [2])));
      const columns = of.shift || dBias ? scaled(a.sum(dY, [1])) : undefined; // [N, 1, F]
      if (dBias && columns !== undefined) e.set(dBias, a.reshape(columns, [trials, e.last(dBias)]));
      if (of.shift && columns !== undefined) {
        e.set(dWeight, a.add(dEffective, a.multiply(e.column(of.shift), columns)));
        shifts.push(a.product(e.value(weight), columns, { b: true })); // [N, C, 1]
      } else e.set(dWeight, dEffective);
      return a.product(dY, e.recall(of, `effective${index}`), { b: true });
    });
    const total = (terms: readonly (typeof normal)[]): typeof normal => terms.reduce((x, y) => a.add(x, y));
    e.set(dGain, a.reshape(total(gains), [trials, e.last(of.x)]));
    if (dShift) e.set(dShift, a.reshape(total(shifts), [trials, e.last(of.x)]));
    const dNormal = total(normalGradients);
    const centered = of.norm === "layer_norm" ? a.subtract(dNormal, a.mean(dNormal)) : dNormal;
    const along = a.mean(a.multiply(dNormal, normal));
    e.set(dX, a.multiply(a.subtract(centered, a.multiply(normal, along)), e.recall(of, "inverseStd")));
  },

  linear_backward: ({ of, dOut, dX, dWeight, dBias }, e) => {
    const { algebra: a } = e;
    const dY = e.value(dOut);
    const scaled = (value: typeof dY): typeof dY => (of.multiplier ? a.multiply(value, e.scalar(of.multiplier, 3)) : value);
    e.set(dWeight, scaled(a.product(e.value(of.x), dY, { a: true })));
    if (dBias) e.set(dBias, a.reshape(scaled(a.sum(dY, [1])), [e.trials, e.last(dBias)]));
    e.set(dX, a.product(dY, e.recall(of, "effective"), { b: true }));
  },

  // What is turned comes back by the opposite turn; behind the RMS norm dX = (dx̂ − x̂·mean(dx̂·x̂)) / rms.
  heads_backward: ({ of, dOut, dX, dGain }, e) => {
    const { algebra: a } = e;
    const dY = of.multiplier ? a.multiply(e.value(dOut), e.scalar(of.multiplier, 3)) : e.value(dOut);
    const dTurned = of.theta === undefined ? dY : turned(e, dY, of, of.theta, true);
    if (!of.gain || !dGain) return e.set(dX, dTurned);
    const normal = e.recall(of, "normal");
    const dScaled = a.reshape(dTurned, headRows(e, of));
    e.set(dGain, a.reshape(a.sum(a.multiply(dScaled, normal), [1]), [e.trials, of.headDim]));
    const dNormal = a.multiply(dScaled, e.row(of.gain));
    const along = a.mean(a.multiply(dNormal, normal));
    const d = a.multiply(a.subtract(dNormal, a.multiply(normal, along)), e.recall(of, "inverseStd"));
    e.set(dX, a.reshape(d, [e.trials, a.rows, e.last(of.x)]));
  },

  // dV = Pᵀ·dO, dP = dO·Vᵀ, dS = P·(dP − rowsum(dP·P)), dQ = dS·K, dK = dSᵀ·Q.
  attention_backward: ({ of, dOut, dQuery, dKey, dValue }, e) => {
    const { algebra: a } = e;
    const width = e.last(of.out);
    const heads = width / of.headDim;
    const shared = width / e.last(of.key);
    const together = (x: typeof weights): typeof weights => a.sumHeads(x, of.headDim, width, shared);
    const weights = e.recall(of, "weights");
    const dMixed = a.heads(e.value(dOut), heads, width);
    e.set(dValue, together(a.mixHeads(weights, dMixed, true, heads, width)));
    const weighted = a.multiply(weights, a.headScores(dMixed, e.recall(of, "value")));
    const dScores = a.subtract(weighted, a.multiply(weights, a.sum(weighted, [3])));
    e.set(dQuery, a.mixHeads(dScores, e.recall(of, "key"), false, heads, width));
    e.set(dKey, together(a.mixHeads(dScores, e.recall(of, "query"), true, heads, width)));
  },

  // GELU(x) = x·s, s = σ(z), z = 2u: d = s + x·s·(1 − s)·dz/dx with dz/dx = 2√(2/π)(1 + 3·0.044715x²).
  gelu_backward: ({ of, dOut, dX }, e) => {
    const { algebra: a } = e;
    const gate = e.recall(of, "gate");
    const slope = a.add(a.multiply(e.recall(of, "square"), a.scalar(6 * geluScale * geluCubic)), a.scalar(2 * geluScale));
    const curved = a.multiply(a.multiply(e.value(of.out), a.subtract(a.scalar(1), gate)), slope);
    e.set(dX, a.multiply(e.value(dOut), a.add(gate, curved)));
  },

  relu2_backward: ({ of, dOut, dX }, e) => {
    const { algebra: a } = e;
    e.set(dX, a.multiply(e.value(dOut), a.multiply(e.recall(of, "positive"), a.scalar(2))));
  },

  // out = g·σ·u: dU = d·gσ, dG = d·u·(σ + gσ·(1 − σ)).
  swiglu_backward: ({ of, dOut, dGate, dUp }, e) => {
    const { algebra: a } = e;
    const [sigma, active] = [e.recall(of, "sigma"), e.recall(of, "active")];
    e.set(dUp, a.multiply(e.value(dOut), active));
    const slope = a.add(sigma, a.multiply(active, a.subtract(a.scalar(1), sigma)));
    e.set(dGate, a.multiply(a.multiply(e.value(dOut), e.value(of.up)), slope));
  },

  cross_entropy_backward: ({ of, dLogits }, e) => {
    const { algebra: a } = e;
    const share = a.scalar(1 / a.rows);
    const spread = a.exponential(e.recall(of, "logProbabilities"));
    // With a zLoss, what the softmax gets grows by 2·zLoss·log Σ exp(logits).
    const grown = of.zLoss === undefined ? share : a.add(share, a.multiply(e.recall(of, "logSum"), a.scalar((2 * of.zLoss) / a.rows)));
    const probabilities = a.multiply(spread, grown);
    e.set(dLogits, a.lessAtTargets(probabilities, 1 / a.rows, e.last(of.logits)));
  },
};
