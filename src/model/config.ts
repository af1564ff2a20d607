/**
 * The architecture of one model, as keys that mean the same at every width. What
 * tensors follow from it is in transformer.ts, what they cost in counts.ts.
 */

/** Tensors that may start at zero, as TP-V appendix D.2 advises under μP. */
export const zeroInits = ["readout", "query"] as const;
/** A tensor that may start at zero, by the name that specs have for it. */
export type ZeroInit = (typeof zeroInits)[number];

/** How wide and how deep a model is: what differs between a proxy and its target. */
export interface Size {
  readonly width: number;
  /** Number of blocks: the depth. */
  readonly layers: number;
}

/** The activations of feed-forward layers by the names that specs have for them. */
export const mlps = ["gelu", "swiglu", "relu2"] as const;
/** An activation by its name. */
export type Mlp = (typeof mlps)[number];

/** What blocks are made of, where that is not GPT-2's: what is absent is as it was there, and runs of before there was a choice have none of it. */
export interface BlockKinds {
  /** Instead of layer norms. */
  readonly norm?: "rms_norm";
  /** The base of rotary positions, which are there instead of learned ones. */
  readonly ropeTheta?: number;
  /** Instead of tanh GELU. */
  readonly mlp?: Exclude<Mlp, "gelu">;
  /** Query heads that share one head of keys and values, more than 1. */
  readonly queriesPerKv?: number;
  /** Whether heads of queries and keys have norms. */
  readonly qkNorm?: true;
  /** Whether the readout is the token embedding. */
  readonly tiedEmbeddings?: true;
}

/** The architecture of a model of one size. */
export interface ModelConfig extends Size, BlockKinds {
  readonly headDim: number;
  readonly context: number;
  /** Feed-forward width ÷ width. */
  readonly mlpRatio: number;
  readonly vocabSize: number;
  readonly biases: boolean;
  readonly zeroInit: readonly ZeroInit[];
  /** Whether what blocks add to the residual stream has a multiplier, and their tensors scalars of their own. */
  readonly scaledResiduals?: true;
}
