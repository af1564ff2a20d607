/** What a CPU wants of a lowering: matrices on cache lines, and as many rows at once as a core's caches hold. */
import { shapeOf, type Program } from "../../program/program.ts";
import type { RowLayout } from "../lowered/memory.ts";
import type { Target } from "../lowered/target.ts";

/** Lines of one AVX-512 vector, which is one cache line; rows of a multiple of 1 KiB would crowd a cache's sets. */
export const layout: RowLayout = { lineFloats: 16, crowdedLines: 16 };

/** Rows of a sequence group when a row's activations are few and when they are many: a core's cache holds the former's. */
const sequenceGroupRows = { narrow: 512, wide: 2048 } as const;
/** Columns of the widest activation, the logits aside, from which on rows are wide. */
const wideColumns = 2048;
/** Floats of logits that are worked on at once: they stay in a core's cache. */
const blockFloats = 2 ** 17;
/** Blocks are never lower than this: the readout's weights are read once per block. */
const leastBlockRows = 128;

function sequenceGroupRowsOf(program: Program): number {
  const activations = program.forward.flatMap((op) => (op.kind === "linear" || op.kind === "gelu" ? [op.x] : []));
  const widest = Math.max(0, ...activations.map((ref) => shapeOf(program, ref).at(-1) as number));
  return widest < wideColumns ? sequenceGroupRows.narrow : sequenceGroupRows.wide;
}

/** How the engine wants programs lowered. */
export const nativeTarget: Target = {
  layout,
  sequenceGroupRows: sequenceGroupRowsOf,
  blockRows: (rowFloats) => Math.max(leastBlockRows, 16 * Math.floor(blockFloats / rowFloats / 16)),
};
