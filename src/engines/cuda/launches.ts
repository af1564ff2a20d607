/**
 * Which kernel runs a launch, over which grid, with which parameters. The number of
 * lanes only decides on tiles and grids: a lane's bits do not depend on it.
 */
import { wordsOf, type Operand } from "../lowered/instructions.ts";
import { rowLength } from "../lowered/memory.ts";
import { cudaFields, groupSizes, layout, type CudaInstruction, type CudaInstructionOf, type CudaKind } from "./fields.ts";
import type { Group, Product } from "./fuse.ts";
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
export interface Launch {
  readonly kernel: string;
  /** Blocks along x and y; z counts lanes. */
  readonly grid: readonly [number, number];
  readonly entries: Group;
}

type Attention = { [K in AttentionKind]: CudaInstructionOf<K> }[AttentionKind];

const over = (total: number, each: number): number => Math.ceil(total / each);
/** Four elements for each of 256 threads. */
const elementBlocks = (floats: number): number => over(floats, 4 * 256);

/** Gives each entry its first block; entries whose `blocks` are 0 are reached from another one. */
function placed<K extends keyof typeof groupSizes>(
  entries: readonly CudaInstructionOf<K>[],
  blocks: (entry: CudaInstructionOf<K>) => number,
): { readonly entries: readonly CudaInstructionOf<K>[]; readonly total: number } {
  let total = 0;
  const all = entries.map((entry) => {
    const count = blocks(entry);
    total += count;
    return { ...entry, firstBlock: count === 0 ? -1 : total - count };
  });
  return { entries: all, total };
}

/** The product after `o` in the sum that it belongs to. */
const nextOf = (o: Product, group: readonly Product[]): number =>
  group.findIndex(
    (each, index) =>
      index > group.indexOf(o) && each.initial !== undefined && each.out?.buffer === o.out?.buffer && each.out?.line === o.out?.line,
  );

function products(group: readonly Product[], { mode, lanes, fullGrid }: Setting): Launch {
  const links = new Set(group.map((o) => nextOf(o, group)));
  const heads = group.filter((_, index) => !links.has(index));
  const tilesOf = ({ parts, rows, columns }: Product, edge: Tile): number => parts * over(rows, edge) * over(columns, edge);
  const fillsLarge = heads.every(({ rows, columns }) => rows >= 128 && columns >= 128);
  const tile: Tile = fillsLarge && lanes * heads.reduce((sum, o) => sum + tilesOf(o, 128), 0) >= fullGrid ? 128 : 64;
  const chained = group.map((o) => ({ ...o, next: nextOf(o, group) }));
  const { entries, total } = placed<"product">(chained, (o) => (links.has(chained.indexOf(o)) ? 0 : tilesOf(o, tile)));
  return { kernel: productKernel(mode, tile), grid: [total, 1], entries };
}

function attention(o: Attention, { mode }: Setting): Launch {
  const { kind } = o;
  const headDim: HeadDim = headDims.find((each) => each === "any" || o.headDim <= each) ?? "any";
  const heads = (o.rows / o.context) * (o.width / o.headDim);
  const blocks = over(o.context, attentionRows(kind, headDim, mode));
  return { kernel: attentionKernel(kind, headDim, mode), grid: [heads, blocks], entries: [o] };
}

type LaunchRule<K extends CudaKind> = (entries: readonly CudaInstructionOf<K>[], setting: Setting) => Launch;
/** One instruction, with as many blocks as it asks for. */
const single =
  <K extends CudaKind>(kernel: K, blocks: (o: CudaInstructionOf<K>) => number): LaunchRule<K> =>
  (entries) => ({ kernel, grid: [blocks(entries[0]), 1], entries: entries as unknown as Group });

const rules: { readonly [K in CudaKind]: LaunchRule<K> } = {
  embed: single("embed", ({ rows, width }) => elementBlocks(rows * rowLength(layout, width))),
  embedBackward: single("embedBackward", ({ vocabulary, context }) => over(vocabulary + context, 4)),
  normalize: single("normalize", ({ rows }) => over(rows, 4)),
  normalizeBackward: single("normalizeBackward", ({ rows }) => over(rows, 4)),
  normGradients: single("normGradients", ({ fanIn }) => fanIn),
  biasRow: single("biasRow", ({ fanOut }) => over(fanOut, 128)),
  columnSum: single("columnSum", ({ columns }) => over(columns, 32)),
  product: products,
  sumParts: (group) => {
    const { entries, total } = placed<"sumParts">(group, ({ rows, columns }) => elementBlocks(rows * rowLength(layout, columns)));
    return { kernel: "sumParts", grid: [total, 1], entries };
  },
  attention: ([o], setting) => attention(o, setting),
  attentionQueries: ([o], setting) => attention(o, setting),
  attentionKeys: ([o], setting) => attention(o, setting),
  gelu: single("gelu", ({ lines }) => elementBlocks(lines * layout.lineFloats)),
  add: single("add", ({ lines }) => elementBlocks(lines * layout.lineFloats)),
  multiplyElements: single("multiplyElements", ({ lines }) => elementBlocks(lines * layout.lineFloats)),
  crossEntropy: single("crossEntropy", ({ rows, vocabulary }) => (vocabulary > narrowVocabulary ? rows : over(rows, 8))),
  meanLoss: single("meanLoss", () => 1),
  adamw: (group) => {
    const { entries, total } = placed<"adamw">(group, ({ lines }) => elementBlocks(lines * layout.lineFloats));
    return { kernel: "adamw", grid: [total, 1], entries };
  },
  advance: single("advance", () => 1),
};
/** Up to this many the kernel gives a row to a warp; NARROW_VOCABULARY in kernels/rows.cuh. */
const narrowVocabulary = 1024;

export const launchOf = (group: Group, setting: Setting): Launch =>
  (rules[group[0].kind] as unknown as (entries: Group, setting: Setting) => Launch)(group, setting);

/** The launch's own words: its instruction's, or how many there are and each of them, with room for as many as there may be. */
export function launchWords({ entries }: Launch, reference: (operand: Operand) => number): readonly number[] {
  const each = entries.map((entry: CudaInstruction) => wordsOf(cudaFields, entry, reference));
  const most: number | undefined = (groupSizes as Readonly<Partial<Record<CudaKind, number>>>)[entries[0].kind];
  if (most === undefined) return each[0];
  const room = (most - entries.length) * each[0].length;
  return [entries.length, ...each.flat(), ...new Array<number>(room).fill(0)];
}

/** Threads of a block of a kernel. */
export const threadsOf = (kernel: string): number => kernels[kernel].threads;
