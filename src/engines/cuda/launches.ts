/**
 * Which kernel runs a launch, over which grid, with which parameters. The number of
 * lanes only decides on tiles and grids: a lane's bits do not depend on it.
 */
import { wordsOf, type Operand } from "../lowered/instructions.ts";
import { rowLength } from "../lowered/memory.ts";
import { cudaFields, groupSizes, layout, type CudaInstruction, type CudaInstructionOf, type CudaKind } from "./fields.ts";
import type { LaunchGroup, Product } from "./fuse.ts";
import {
  attentionKernel,
  headDims,
  kernels,
  productKernel,
  attentionRows,
  type AttentionKind,
  type HeadDim,
  type Mode,
  type Tile,
} from "./kernels.ts";

/** What decides on a launch besides its instructions. */
export interface Setting {
  readonly mode: Mode;
  readonly lanes: number;
  /** Blocks that fill the card. */
  readonly fullGrid: number;
}
/** How one launch group is run. */
export interface GroupLaunch {
  readonly kernel: string;
  /** Blocks along x and y; z counts lanes. */
  readonly grid: readonly [number, number];
  readonly instructions: LaunchGroup;
}

type Attention = { [K in AttentionKind]: CudaInstructionOf<K> }[AttentionKind];

const over = (total: number, each: number): number => Math.ceil(total / each);
/** Blocks for so many floats, when each of 256 threads has four. */
const elementBlocks = (floats: number): number => over(floats, 4 * 256);

/** Gives each instruction its first block; those whose `blocks` are 0 are reached from another one. */
function withFirstBlocks<K extends keyof typeof groupSizes>(
  given: readonly CudaInstructionOf<K>[],
  blocks: (o: CudaInstructionOf<K>) => number,
): { readonly instructions: readonly CudaInstructionOf<K>[]; readonly total: number } {
  let total = 0;
  const instructions = given.map((o) => {
    const count = blocks(o);
    total += count;
    return { ...o, firstBlock: count === 0 ? -1 : total - count };
  });
  return { instructions, total };
}

/** The product after `o` in the sum that it belongs to. */
const nextOf = (o: Product, all: readonly Product[]): number =>
  all.findIndex(
    (each, index) =>
      index > all.indexOf(o) && each.initial !== undefined && each.out?.buffer === o.out?.buffer && each.out?.line === o.out?.line,
  );

function products(all: readonly Product[], { mode, lanes, fullGrid }: Setting): GroupLaunch {
  const links = new Set(all.map((o) => nextOf(o, all)));
  const heads = all.filter((_, index) => !links.has(index));
  const tilesOf = ({ parts, rows, columns }: Product, edge: Tile): number => parts * over(rows, edge) * over(columns, edge);
  const fillsLarge = heads.every(({ rows, columns }) => rows >= 128 && columns >= 128);
  const tile: Tile = fillsLarge && lanes * heads.reduce((sum, o) => sum + tilesOf(o, 128), 0) >= fullGrid ? 128 : 64;
  const chained = all.map((o) => ({ ...o, next: nextOf(o, all) }));
  const { instructions, total } = withFirstBlocks<"product">(chained, (o) => (links.has(chained.indexOf(o)) ? 0 : tilesOf(o, tile)));
  return { kernel: productKernel(mode, tile), grid: [total, 1], instructions };
}

function attention(o: Attention, { mode }: Setting): GroupLaunch {
  const { kind } = o;
  const headDim: HeadDim = headDims.find((each) => each === "any" || o.headDim <= each) ?? "any";
  const heads = (o.rows / o.context) * ((kind === "attentionKeys" ? o.keyWidth : o.width) / o.headDim);
  const blocks = over(o.context, attentionRows(kind, headDim, mode));
  return { kernel: attentionKernel(kind, headDim, mode), grid: [heads, blocks], instructions: [o] };
}

type LaunchRule<K extends CudaKind> = (instructions: readonly CudaInstructionOf<K>[], setting: Setting) => GroupLaunch;
/** The rule for a launch of several instructions, each of which has so many blocks. */
const several =
  <K extends CudaKind & keyof typeof groupSizes>(kernel: K, blocks: (o: CudaInstructionOf<K>) => number): LaunchRule<K> =>
  (all) => {
    const { instructions, total } = withFirstBlocks<K>(all, blocks);
    return { kernel, grid: [total, 1], instructions: instructions as unknown as LaunchGroup };
  };
const linesBlocks = ({ lines }: { readonly lines: number }): number => elementBlocks(lines * layout.lineFloats);
/** Blocks that have a square of a symmetric matrix on or above its diagonal each. */
function squareBlocks({ size }: { readonly size: number }): number {
  const across = over(size, layout.lineFloats);
  return (across * (across + 1)) / 2;
}
/** The rule for a launch of one instruction, with as many blocks as `blocks` says. */
const single =
  <K extends CudaKind>(kernel: K, blocks: (o: CudaInstructionOf<K>) => number): LaunchRule<K> =>
  (instructions) => ({ kernel, grid: [blocks(instructions[0]), 1], instructions: instructions as unknown as LaunchGroup });

const rules: { readonly [K in CudaKind]: LaunchRule<K> } = {
  embed: single("embed", ({ rows, width }) => elementBlocks(rows * rowLength(layout, width))),
  embedBackward: single("embedBackward", ({ vocabulary, dPositions, context }) => over(vocabulary + (dPositions ? context : 0), 4)),
  transposeMatrix: single("transposeMatrix", ({ rows, columns }) => over(rows, layout.lineFloats) * over(columns, layout.lineFloats)),
  normalize: single("normalize", ({ rows }) => over(rows, 4)),
  normalizeBackward: single("normalizeBackward", ({ rows }) => over(rows, 4)),
  normGradients: single("normGradients", ({ fanIn }) => fanIn),
  biasRow: single("biasRow", ({ fanOut }) => over(fanOut, 128)),
  columnSum: single("columnSum", ({ columns }) => over(columns, 32)),
  product: products,
  sumParts: several("sumParts", ({ rows, columns }) => elementBlocks(rows * rowLength(layout, columns))),
  turnHeads: single("turnHeads", ({ rows, width, headDim }) => over(rows * (width / headDim), 4)),
  turnHeadsBackward: single("turnHeadsBackward", ({ rows, width, headDim }) => over(rows * (width / headDim), 4)),
  foldHeads: single("foldHeads", ({ headDim }) => over(headDim, 128)),
  attention: ([o], setting) => attention(o, setting),
  attentionQueries: ([o], setting) => attention(o, setting),
  attentionKeys: ([o], setting) => attention(o, setting),
  gelu: single("gelu", linesBlocks),
  relu2: single("relu2", linesBlocks),
  swiglu: single("swiglu", linesBlocks),
  swigluBackward: single("swigluBackward", linesBlocks),
  add: single("add", linesBlocks),
  multiplyElements: single("multiplyElements", linesBlocks),
  crossEntropy: single("crossEntropy", ({ rows, vocabulary }) => (vocabulary > narrowVocabulary ? rows : over(rows, 8))),
  meanLoss: single("meanLoss", () => 1),
  squareSums: several("squareSums", ({ rows }) => over(rowLength(layout, rows), 8)),
  normFactor: (all) => ({ kernel: "normFactor", grid: [all.length, 1], instructions: all }),
  adamw: several("adamw", linesBlocks),
  momentum: several("momentum", linesBlocks),
  scaleElements: several("scaleElements", linesBlocks),
  plusIdentity: several("plusIdentity", squareBlocks),
  muon: several("muon", linesBlocks),
  advance: single("advance", () => 1),
};
/** Vocabularies up to this size have a warp for each row of logits; NARROW_VOCABULARY in kernels/rows.cuh. */
const narrowVocabulary = 1024;

/** The kernel and the grid that run a launch group. */
export const launchOf = (launchGroup: LaunchGroup, setting: Setting): GroupLaunch =>
  (rules[launchGroup[0].kind] as unknown as (instructions: LaunchGroup, setting: Setting) => GroupLaunch)(launchGroup, setting);

/** The launch's own words: its instruction's, or how many there are and each of them, with room for as many as there may be. */
export function launchWords({ instructions }: GroupLaunch, reference: (operand: Operand) => number): readonly number[] {
  const each = instructions.map((o: CudaInstruction) => wordsOf(cudaFields, o, reference));
  const most: number | undefined = (groupSizes as Readonly<Partial<Record<CudaKind, number>>>)[instructions[0].kind];
  if (most === undefined) return each[0];
  const room = (most - instructions.length) * each[0].length;
  return [instructions.length, ...each.flat(), ...new Array<number>(room).fill(0)];
}

/** Threads of a block of a kernel. */
export const threadsOf = (kernel: string): number => kernels[kernel].threads;
