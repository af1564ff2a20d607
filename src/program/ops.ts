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

/** The layer norm's ε, which is added to the variance; kernels in C and CUDA state it in their own text, which a test compares with this. */
export const normEpsilon = 1e-5;

interface ForwardOps {
  /** out[n,b,t] = multiplier[n] · (table[n, tokens[b,t]] + positions[n,t]); table [N,V,C], positions [N,T,C], out [N,B,T,C]. */
  embedding: { table: Ref; positions: Ref; multiplier: Ref; out: Ref };
  /**
   * Layer norm, then one product per branch: out = multiplier[n] · ((LN(x)·gain + shift)·weight + bias).
   * x [N,B,T,C], gain and shift [N,C], weight [N,C,·], bias [N,·], multiplier (N,), out [N,B,T,·]; LN divides by √(variance + normEpsilon).
   * Norm and product are one op because every norm of the model feeds products only.
   */
  norm_linear: { x: Ref; gain: Ref; shift?: Ref; branches: readonly Branch[] };
  /** out = multiplier[n] · (x·weight + bias); x [N,B,T,C], weight [N,C,·], bias [N,·], multiplier (N,) or absent for 1, out [N,B,T,·]. */
  linear: { x: Ref; weight: Ref; bias?: Ref; multiplier?: Ref; out: Ref };
  /** Causal self-attention, softmax(q·kᵀ)·v per head without a scale (it is query's multiplier); all [N,B,T,C]. */
  attention: { query: Ref; key: Ref; value: Ref; heads: number; out: Ref };
  /** GELU, tanh form, elementwise. */
  gelu: { x: Ref; out: Ref };
  /** out = a + b, elementwise. */
  add: { a: Ref; b: Ref; out: Ref };
  /** Mean over B·T of −log softmax(logits)[target], in nats; logits [N,B,T,V], out (N,). */
  cross_entropy: { logits: Ref; out: Ref };
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
  embedding_backward: { of: Forward<"embedding">; dOut: Ref; dTable: Ref; dPositions: Ref };
  norm_linear_backward: { of: Forward<"norm_linear">; dX: Ref; dGain: Ref; dShift?: Ref; branches: readonly BranchGradient[] };
  linear_backward: { of: Forward<"linear">; dOut: Ref; dX: Ref; dWeight: Ref; dBias?: Ref };
  attention_backward: { of: Forward<"attention">; dOut: Ref; dQuery: Ref; dKey: Ref; dValue: Ref };
  gelu_backward: { of: Forward<"gelu">; dOut: Ref; dX: Ref };
  /** Starts the backward pass: the loss's own gradient is 1 for each trial. */
  cross_entropy_backward: { of: Forward<"cross_entropy">; dLogits: Ref };
}

/** What is behind one branch in the backward pass. */
export interface BranchGradient {
  readonly dOut: Ref;
  readonly dWeight: Ref;
  readonly dBias?: Ref;
}

interface UpdateOps {
  /**
   * AdamW in PyTorch's form, in place, with moments kept as plain decayed sums (m ← β₁m + g, v ← β₂v + g²):
   * w ← w·(1 − f·decay) − f·learningRate·m̂ / (√v̂ + ε), with m̂ = m·(1−β₁)/(1−β₁ᵗ), v̂ = v·(1−β₂)/(1−β₂ᵗ),
   * f the schedule's factor at step t = 1, 2, …; learningRate, decay (= learning rate × weight decay) and epsilon are (N,) scalars.
   */
  adamw: { parameter: Ref; gradient: Ref; learningRate: Ref; decay?: Ref; epsilon: Ref };
}

type OpTable = ForwardOps & BackwardOps & UpdateOps;
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
/** An op that changes a parameter. */
export type UpdateOp = OpOf<keyof UpdateOps>;

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
