/**
 * Every kernel by name: the device function that it calls, in which file, with how
 * many threads. Both the PTX that is shipped and the stand-in that tests run are made
 * from this table, and a launch can name nothing else.
 */
import { snake, typeName } from "../lowered/instructions.ts";
import { groupSizes, type CudaKind } from "./fields.ts";

/** One kernel as it is compiled and launched. */
export interface Kernel {
  /** Header in kernels/ that has the function. */
  readonly file: string;
  readonly function: string;
  /** Kind of instruction that it computes. */
  readonly kind: CudaKind;
  /** Threads of a block. */
  readonly threads: number;
  /** Blocks that must fit an SM at once, which bounds the registers. */
  readonly blocks: number;
  /** Compute capability that it needs. */
  readonly capability: 75 | 80;
}

/** How operands of products are rounded: not, to TF32, to three terms of TF32, to bfloat16. Sums are float32's. */
export const modes = ["f32", "tf32", "tf32x3", "bf16"] as const;
export type Mode = (typeof modes)[number];
/** Edge of the tile of a product that a block computes. */
export const tiles = [128, 64] as const;
export type Tile = (typeof tiles)[number];
const mostHeadDims = [16, 32, 64, 128] as const;
/** Head dimensions that attention is compiled for, rounded up; `any` is slow and takes every one. */
export const headDims = [...mostHeadDims, "any"] as const;
export type HeadDim = (typeof headDims)[number];

const cross = <A extends string | number, B extends string | number, V>(
  as: readonly A[],
  bs: readonly B[],
  name: (a: A, b: B) => string,
  value: (a: A, b: B) => V,
): Readonly<Record<string, V>> => Object.fromEntries(as.flatMap((a) => bs.map((b) => [name(a, b), value(a, b)])));

const attentionKinds = ["attention", "attentionQueries", "attentionKeys"] as const;
/** The kinds of instruction that attention is made of. */
export type AttentionKind = (typeof attentionKinds)[number];
const attentionThreads = (headDim: HeadDim): number => (headDim === "any" ? 128 : Math.min(2 * headDim, 128));
/** Warps of a block on tensor cores. */
const strips = (kind: AttentionKind, headDim: number): number => (headDim <= (kind === "attentionKeys" ? 32 : 64) ? 8 : 4);
/**
 * Rows of a head (queries, for `attentionKeys` keys) that a block has: a thread has 4 or 2 of them, and 16 dimensions of
 * each; on tensor cores a warp has 16.
 */
export function attentionRows(kind: AttentionKind, headDim: HeadDim, mode: Mode): number {
  if (headDim === "any") return attentionThreads(headDim) / 32;
  if (mode === "bf16") return strips(kind, headDim) * 16;
  return (attentionThreads(headDim) / (headDim / 16)) * (kind === "attentionKeys" ? 2 : 4);
}
const simple = (file: string, kind: CudaKind, threads: number): Kernel => ({
  file,
  function: snake(kind),
  ...{ kind, threads, blocks: 1, capability: 75 },
});

/** Names the kernel of matrix products in a mode and a tile. */
export const productKernel = (mode: Mode, tile: Tile): string => `products_${mode}_${tile}`;
/** Names a kernel of attention. Only bfloat16 has one on tensor cores: other modes' scores are float32's. */
export const attentionKernel = (kind: AttentionKind, headDim: HeadDim, mode: Mode): string =>
  mode === "bf16" && headDim !== "any" ? `${kind}_bf16_${headDim}` : `${kind}_${headDim}`;

/** Every kernel, by name. */
export const kernels: Readonly<Record<string, Kernel>> = {
  ...cross(modes, tiles, productKernel, (mode, tile) => ({
    file: "product.cuh",
    function: `products<${mode.toUpperCase()}, ${tile}>`,
    ...({ kind: "product", threads: mode === "bf16" ? 128 : 2 * tile, capability: mode === "f32" ? 75 : 80 } as const),
    blocks: tile === 64 ? 4 : mode === "f32" ? 1 : 2,
  })),
  ...cross(
    attentionKinds,
    headDims,
    (kind, headDim) => attentionKernel(kind, headDim, "f32"),
    (kind, headDim) => ({
      file: headDim === "any" ? "attention_any.cuh" : kind === "attention" ? "attention.cuh" : "attention_backward.cuh",
      function: `${snake(kind)}${headDim === "any" ? "_any" : `<${headDim}>`}`,
      ...({ kind, threads: attentionThreads(headDim), blocks: 1, capability: 75 } as const),
    }),
  ),
  ...cross(
    attentionKinds,
    mostHeadDims,
    (kind, headDim) => attentionKernel(kind, headDim, "bf16"),
    (kind, headDim) => ({
      file: kind === "attention" ? "attention_mixed.cuh" : "attention_mixed_backward.cuh",
      function: `${snake(kind)}_mixed<${headDim}>`,
      ...({
        kind,
        threads: 32 * strips(kind, headDim),
        blocks: headDim === 64 && kind === "attentionKeys" ? 3 : 2,
        capability: 80,
      } as const),
    }),
  ),
  embed: simple("rows.cuh", "embed", 256),
  embedBackward: simple("rows.cuh", "embedBackward", 128),
  normalize: simple("rows.cuh", "normalize", 128),
  normalizeBackward: simple("rows.cuh", "normalizeBackward", 128),
  normGradients: simple("rows.cuh", "normGradients", 128),
  biasRow: simple("rows.cuh", "biasRow", 128),
  columnSum: simple("rows.cuh", "columnSum", 256),
  transposeMatrix: simple("rows.cuh", "transposeMatrix", 256),
  turnHeads: simple("turns.cuh", "turnHeads", 128),
  turnHeadsBackward: simple("turns.cuh", "turnHeadsBackward", 128),
  foldHeads: simple("turns.cuh", "foldHeads", 128),
  sumParts: simple("elements.cuh", "sumParts", 256),
  gelu: simple("elements.cuh", "gelu", 256),
  relu2: simple("elements.cuh", "relu2", 256),
  swiglu: simple("elements.cuh", "swiglu", 256),
  swigluBackward: simple("elements.cuh", "swigluBackward", 256),
  add: simple("elements.cuh", "add", 256),
  multiplyElements: simple("elements.cuh", "multiplyElements", 256),
  crossEntropy: simple("rows.cuh", "crossEntropy", 256),
  meanLoss: simple("rows.cuh", "meanLoss", 256),
  adamw: simple("elements.cuh", "adamw", 256),
  squareSums: simple("updates.cuh", "squareSums", 256),
  normFactor: simple("updates.cuh", "normFactor", 256),
  momentum: simple("updates.cuh", "momentum", 256),
  scaleElements: simple("updates.cuh", "scaleElements", 256),
  plusIdentity: simple("updates.cuh", "plusIdentity", 256),
  muon: simple("updates.cuh", "muon", 256),
  advance: simple("elements.cuh", "advance", 32),
};

/** The text of a kernel's translation unit; `EMULATED` makes it C++ for the stand-in. */
export function kernelText(name: string): string {
  const { file, function: called, kind, threads, blocks } = kernels[name];
  const parameters = `${typeName(kind)}${kind in groupSizes ? "Group" : ""}`;
  return `#include "${file}"\nKERNEL(${name}_kernel, ${threads}, ${blocks}, ${parameters}, ${called})\n`;
}
