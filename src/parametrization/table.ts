/**
 * The abc rules as data: for each parametrization, role and quantity, the power
 * of the width multiplier m = width / base width that scales it; and likewise for depth.
 *
 * Source: Tensor Programs V, Table 8 (AdamW in PyTorch's form), with weight decay
 * ×m so that learning rate × decay does not depend on width, and Adam's ε ÷m
 * on every tensor because the readout multiplier 1/m makes every gradient shrink
 * like 1/m. `sp` leaves every absolute value as it is, which is what copying
 * hyperparameters between GPT-2 configurations of different width does. `sp_fan_in` differs from it in
 * initial weights only: std 1/√fan_in of every product at every width, as layers have it that nobody
 * initializes by hand; embeddings stay. Source: LeCun et al. 1998, "Efficient BackProp", section 4.6.
 */
import type { Parametrization, Role } from "./roles.ts";

/** Powers of the width multiplier that scale each quantity of one role. */
export interface Exponents {
  readonly multiplier: number;
  readonly initStd: number;
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly epsilon: number;
}

/** A parametrization's rules for width: its row of the abc table; models without norms of heads have none for them. */
export type Rules = { readonly [R in Exclude<Role, "head_norm">]: Exponents } & { readonly head_norm?: Exponents };

const none: Exponents = { multiplier: 0, initStd: 0, learningRate: 0, weightDecay: 0, epsilon: 0 };

/** Powers of the depth multiplier mL = depth / base depth. */
export interface DepthExponents {
  /** Factor on what a block's attention and MLP add to the residual stream. */
  readonly residual: number;
  /** Learning rate and Adam's ε of every tensor inside a block. */
  readonly learningRate: number;
  readonly epsilon: number;
}

/**
 * Residual branches × mL^(−a): a = 1 is CompleteP, a = ½ what Tensor Programs VI proposes. A block's gradients shrink
 * with its multiplier, and ε with them. Source: Dey et al. 2025, "Don't be lazy: CompleteP enables compute-efficient
 * deep transformers".
 */
export const depthExponents = (a: number): DepthExponents => ({ residual: -a, learningRate: a - 1, epsilon: -a });

/** Each parametrization's rules for depth, where it has any. */
export const depthTable: { readonly [P in Parametrization]?: DepthExponents } = { completep: depthExponents(1) };

const mup: Required<Rules> = {
  embedding: { ...none, epsilon: -1 },
  hidden: { multiplier: 0, initStd: -0.5, learningRate: -1, weightDecay: 1, epsilon: -1 },
  readout: { ...none, multiplier: -1, epsilon: -1 },
  norm: { ...none, epsilon: -1 },
  // The gradient of what all heads share is a sum over heads: their number grows as the gradient of each shrinks.
  head_norm: none,
  bias: { ...none, epsilon: -1 },
};

const sp: Required<Rules> = { embedding: none, hidden: none, readout: none, norm: none, head_norm: none, bias: none };
/** std ∝ 1/√fan_in, which grows with the width for hidden tensors and the readout alike. */
const byFanIn: Exponents = { ...none, initStd: -0.5 };

/** Each parametrization's rules for width: the abc table. */
export const table: { readonly [P in Parametrization]: Required<Rules> } = {
  sp,
  sp_fan_in: { ...sp, hidden: byFanIn, readout: byFanIn },
  mup,
  completep: mup,
};

/**
 * What hidden matrices follow where Muon trains them: nothing but their initial std, since the update's own factor √(fan_out/fan_in) makes its
 * spectral norm that of the weights at every width, and learning rate × decay is the same at all of them with no rule for either.
 * Source: Yang, Simon & Bernstein 2023, "A spectral condition for feature learning", condition 1.
 */
const underMuon = { learningRate: 0, weightDecay: 0, epsilon: 0 } as const;

/** The rules for the width of a model's tensors under its optimizer. */
export function rulesOf(parametrization: Parametrization, model: { readonly qkNorm?: boolean; readonly muon?: boolean }): Rules {
  const { head_norm, ...rules } = table[parametrization];
  return {
    ...rules,
    ...(model.muon && { hidden: { ...rules.hidden, ...underMuon } }),
    ...(model.qkNorm && { head_norm }),
  };
}
