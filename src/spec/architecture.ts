/**
 * What a spec's `model` comes to: presets by name, the defaults of what is not written,
 * and what of it a complete spec holds. Rules between the keys are in block-rules.ts.
 */
import { zeroInits, type BlockKinds, type Mlp, type ZeroInit } from "../model/config.ts";
import type { Norm } from "../program/ops.ts";

/** Where tokens stand in a sequence, by the names that specs have for it. */
export const positionKinds = ["learned", "rope"] as const;

/** Every choice of what blocks are made of, in a spec's own words. */
export interface Architecture {
  readonly norm: Norm;
  readonly positions: (typeof positionKinds)[number];
  /** Says nothing without rope. */
  readonly rope_theta: number;
  readonly mlp: Mlp;
  readonly mlp_ratio: number;
  readonly queries_per_kv: number;
  readonly qk_norm: boolean;
  readonly tied_embeddings: boolean;
  readonly biases: boolean;
}

/** What is not written, where no preset says otherwise. */
export const plainArchitecture: Architecture = {
  ...{ norm: "layer_norm", positions: "learned", rope_theta: 10_000, mlp: "gelu", mlp_ratio: 4 },
  ...{ queries_per_kv: 1, qk_norm: false, tied_embeddings: false, biases: false },
};

const llama: Architecture = {
  ...{ norm: "rms_norm", positions: "rope", rope_theta: 500_000, mlp: "swiglu", mlp_ratio: 3.5 },
  ...{ queries_per_kv: 4, qk_norm: false, tied_embeddings: false, biases: false },
};
/** GPT-2 (Radford et al. 2019), Llama 3 8B (arXiv 2407.21783, table 3) and Qwen3 8B (arXiv 2505.09388, table 1) but for their widths. */
export const presets = {
  gpt2: { ...plainArchitecture, tied_embeddings: true, biases: true },
  llama,
  qwen3: { ...llama, rope_theta: 1_000_000, mlp_ratio: 3, qk_norm: true },
} as const satisfies Readonly<Record<string, Architecture>>;
/** A preset by its name. */
export type PresetName = keyof typeof presets;
export const presetNames = Object.keys(presets) as [PresetName, ...PresetName[]];

/** What is written of an architecture. */
export type WrittenArchitecture = { readonly [K in keyof Architecture]?: Architecture[K] | undefined } & {
  readonly preset?: PresetName | undefined;
};
/** What an architecture is with nothing left open: what is written, then what the preset says. */
export function architectureOf(written: WrittenArchitecture): Architecture {
  const base: Architecture = written.preset === undefined ? plainArchitecture : presets[written.preset];
  const names = Object.keys(plainArchitecture) as (keyof Architecture)[];
  return Object.fromEntries(names.map((name) => [name, written[name] ?? base[name]])) as unknown as Architecture;
}

/** Keys that every complete spec has had from the first; others it has where they are not plain, so that older specs stay what they were. */
const alwaysHeld = ["mlp_ratio", "biases"] as const;
type Held = Pick<Architecture, (typeof alwaysHeld)[number]> & Partial<Architecture>;
/** What a complete spec holds of an architecture. */
export function heldArchitecture(written: WrittenArchitecture): Held {
  const whole = architectureOf(written);
  const isHeld = (name: string, value: unknown): boolean =>
    (alwaysHeld as readonly string[]).includes(name) ||
    (name === "rope_theta" ? whole.positions === "rope" : value !== plainArchitecture[name as keyof Architecture]);
  return Object.fromEntries(Object.entries(whole).filter(([name, value]) => isHeld(name, value))) as unknown as Held;
}

/** What may start at zero: not a readout that is the embedding, nor a query that a norm would divide by nearly nothing. */
export const zeroInitsOf = ({ tied_embeddings: isTied, qk_norm: isNormed }: Architecture): readonly ZeroInit[] =>
  zeroInits.filter((each) => !(each === "readout" ? isTied : isNormed));

/** An architecture as models know it: what is plain is absent. */
export function blockKindsOf(written: WrittenArchitecture): BlockKinds {
  const { norm, positions, rope_theta: ropeTheta, mlp, ...rest } = architectureOf(written);
  return {
    ...(norm !== "layer_norm" && { norm }),
    ...(positions === "rope" && { ropeTheta }),
    ...(mlp !== "gelu" && { mlp }),
    ...(rest.queries_per_kv > 1 && { queriesPerKv: rest.queries_per_kv }),
    ...(rest.qk_norm && { qkNorm: true }),
    ...(rest.tied_embeddings && { tiedEmbeddings: true }),
  };
}
