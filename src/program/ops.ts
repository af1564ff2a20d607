/**
 * The closed union of operations a training step is made of. Ops are coarse, so
 * that an engine may run each as one fused kernel or as several small ones.
 * This file names them and their operands; shapes, gradients and execution are
 * elsewhere, each as an exhaustive table over `Op["kind"]`.
 *
 * Dimension letters, used in every docstring of the project:
 * N trials, B batch, T context, C width, H heads, D head dim, F feed-forward, V vocabulary, L layers.
 */

/** Name of a tensor of the program. */
export type Ref = string;

/** The norms' ε, which is added to a mean square; kernels in C and CUDA state it in their own text, which a test compares with this. */
export const normEpsilon = 1e-5;

/** What a norm does to a row before its gain: both divide by the root of the mean square, `layer_norm` after it has taken off the mean. */
export const norms = ["layer_norm", "rms_norm"] as const;
/** A norm by the name that specs have for it. */
export type Norm = (typeof norms)[number];

/** What is added to the norm of gradients before it divides. */
export const clipEpsilon = 1e-6;
/** The steps X ← aX + (bA + cA²)X, A = XXᵀ, that bring singular values near 1, from X = U / (‖U‖ + epsilon). Source: Jordan et al. 2024, "Muon". */
export const newtonSchulz = { steps: 5, a: 3.4445, b: -4.775, c: 2.0315, epsilon: 1e-7 } as const;

interface ForwardOps {
  /** out[n,b,t] = multiplier[n] · (table[n, tokens[b,t]] + positions[n,t]); table [N,V,C], positions [N,T,C] or absent, out [N,B,T,C]. */
  embedding: { table: Ref; positions?: Ref; multiplier: Ref; out: Ref };
  /** out[n,j,i] = x[n,i,j] of a parameter: x [N,·,·]. */
  transpose: { x: Ref; out: Ref };
  /**
   * A norm, then one product per branch: out = multiplier[n] · ((norm(x)·gain + shift)·weight + bias).
   * x [N,B,T,C], gain and shift [N,C], weight [N,C,·], bias [N,·], multiplier (N,), out [N,B,T,·]; the norm divides by √(mean square + normEpsilon).
   * Norm and product are one op because every norm of the model feeds products only.
   */
  norm_linear: { norm: Norm; x: Ref; gain: Ref; shift?: Ref; branches: readonly Branch[] };
  /** out = multiplier[n] · (x·weight + bias); x [N,B,T,C], weight [N,C,·], bias [N,·], multiplier (N,) or absent for 1, out [N,B,T,·]. */
  linear: { x: Ref; weight: Ref; bias?: Ref; multiplier?: Ref; out: Ref };
  /**
   * Queries or keys made ready head by head: out = multiplier[n] · rotated(RMS norm of the head · gain), each of the three where it is given.
   * x and out [N,B,T,H·D], gain [N,D], multiplier (N,). At position t the pair (j, j + D/2) of a head turns by t·theta^(−2j/D).
   * Source: Su et al. 2021, "RoFormer", equation 34, with pairs as GPT-NeoX has them; norms of queries and keys: Henry et al. 2020.
   */
  heads: { x: Ref; headDim: number; gain?: Ref; multiplier?: Ref; theta?: number; out: Ref };
  /**
   * Causal self-attention, softmax(q·kᵀ)·v per head without a scale (it is query's multiplier); query and out [N,B,T,H·D], key and value
   * [N,B,T,H'·D]: H / H' neighbouring heads of queries share one of keys and values.
   */
  attention: { query: Ref; key: Ref; value: Ref; headDim: number; out: Ref };
  /** GELU, tanh form, elementwise. */
  gelu: { x: Ref; out: Ref };
  /** out = max(x, 0)², elementwise. Source: So et al. 2021, "Primer". */
  relu2: { x: Ref; out: Ref };
  /** out = gate·σ(gate)·up, elementwise. Source: Shazeer 2020, "GLU variants improve transformer". */
  swiglu: { gate: Ref; up: Ref; out: Ref };
  /** out = a + b, elementwise. */
  add: { a: Ref; b: Ref; out: Ref };
  /**
   * Mean over B·T of −log softmax(logits)[target], in nats; logits [N,B,T,V], out (N,). With a zLoss z, gradients are those of out +
   * z · mean(log² Σ exp(logits)); out stays as it is, so that losses compare. Source: Chowdhery et al. 2022, "PaLM", section 5.
   */
  cross_entropy: { logits: Ref; zLoss?: number; out: Ref };
}

/** One product behind a norm. */
export interface Branch {
  readonly weight: Ref;
  readonly bias?: Ref;
  /** Name of an (N,) scalar; absent means 1. */
  readonly multiplier?: Ref;
  readonly out: Ref;
}

type Forward<K extends keyof ForwardOps> = { readonly kind: K } & Readonly<ForwardOps[K]>;

/** A backward op names its forward op (`of`), so that an engine may keep whatever it likes between the two. */
interface BackwardOps {
  embedding_backward: { of: Forward<"embedding">; dOut: Ref; dTable: Ref; dPositions?: Ref };
  norm_linear_backward: { of: Forward<"norm_linear">; dX: Ref; dGain: Ref; dShift?: Ref; branches: readonly BranchGradient[] };
  linear_backward: { of: Forward<"linear">; dOut: Ref; dX: Ref; dWeight: Ref; dBias?: Ref };
  heads_backward: { of: Forward<"heads">; dOut: Ref; dX: Ref; dGain?: Ref };
  attention_backward: { of: Forward<"attention">; dOut: Ref; dQuery: Ref; dKey: Ref; dValue: Ref };
  gelu_backward: { of: Forward<"gelu">; dOut: Ref; dX: Ref };
  relu2_backward: { of: Forward<"relu2">; dOut: Ref; dX: Ref };
  swiglu_backward: { of: Forward<"swiglu">; dOut: Ref; dGate: Ref; dUp: Ref };
  /** Starts the backward pass: the loss's own gradient is 1 for each trial. */
  cross_entropy_backward: { of: Forward<"cross_entropy">; dLogits: Ref };
}

/** What is behind one branch in the backward pass. */
export interface BranchGradient {
  readonly dOut: Ref;
  readonly dWeight: Ref;
  readonly dBias?: Ref;
}

interface ClipOps {
  /** out[n] = min(1, limit / (‖all gradients of trial n‖ + 1e-6)), (N,): what updates multiply gradients by. Source: Pascanu et al. 2013, as PyTorch has it. */
  clip: { gradients: readonly Ref[]; limit: number; out: Ref };
}

/** `scale` is an (N,) factor on the gradient, absent for 1; f is the schedule's factor at step t = 1, 2, …; learningRate and decay (= learning rate × weight decay) are (N,). */
interface UpdateOps {
  /**
   * AdamW in PyTorch's form, in place, with moments kept as plain decayed sums (m ← β₁m + g, v ← β₂v + g²):
   * w ← w·(1 − f·decay) − f·learningRate·m̂ / (√v̂ + ε), with m̂ = m·(1−β₁)/(1−β₁ᵗ), v̂ = v·(1−β₂)/(1−β₂ᵗ); epsilon (N,).
   */
  adamw: { parameter: Ref; gradient: Ref; scale?: Ref; learningRate: Ref; decay?: Ref; epsilon: Ref; beta1: number; beta2: number };
  /**
   * Muon, in place, on a matrix [N, fan_in, fan_out]: b ← momentum·b + g, w ← w·(1 − f·decay) − f·learningRate·√(fan_out / fan_in)·O,
   * with O what five Newton–Schulz steps make of g + momentum·b, nearly orthogonal. Source: Jordan et al. 2024, "Muon"; the factor: Bernstein
   * & Newhouse 2024, "Modular duality in deep learning" (spectral norm of an update √(fan_out / fan_in) at every width).
   */
  muon: { parameter: Ref; gradient: Ref; scale?: Ref; learningRate: Ref; decay?: Ref; momentum: number };
}

type OpTable = ForwardOps & BackwardOps & ClipOps & UpdateOps;
/** The kinds of op. */
export type Kind = keyof OpTable;
/** An op of kind K. */
export type OpOf<K extends Kind> = { [P in K]: { readonly kind: P } & Readonly<OpTable[P]> }[K];
/** Any op of a program. */
export type Op = OpOf<Kind>;

/** The kinds of op that make up a forward pass. */
export type ForwardKind = keyof ForwardOps;
/** The kinds of op that carry gradients back. */
export type BackwardKind = keyof BackwardOps;
/** An op of the forward pass. */
export type ForwardOp = OpOf<ForwardKind>;
/** The kinds of op that change a parameter. */
export type UpdateKind = keyof UpdateOps;
/** An op that changes a parameter. */
export type UpdateOp = OpOf<UpdateKind>;

/** Applies the rule an exhaustive table holds for this op's kind. */
export function dispatch<K extends Kind, A extends readonly unknown[], R>(
  table: { readonly [P in K]: (op: OpOf<P>, ...rest: A) => R },
  op: OpOf<K>,
  ...rest: A
): R {
  const rule = table[op.kind];
  return rule(op, ...rest);
}

/** Every name that an op mentions: what it reads and writes, its forward op's included. */
export function refsOf(op: Op): readonly Ref[] {
  const namesIn = (value: unknown): readonly string[] => {
    if (typeof value === "string") return [value];
    if (typeof value !== "object" || value === null) return [];
    return Object.entries(value).flatMap(([key, each]) => (key === "kind" ? [] : namesIn(each)));
  };
  return namesIn(op);
}
