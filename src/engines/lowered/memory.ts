/**
 * Where everything lies: matrices on whole lines, a lane's state one after
 * the other, and intermediate values in a workspace whose lines are used again
 * as soon as a value is no longer needed.
 */
import { sizeOf } from "../../program/program.ts";
import type { Shape } from "../../program/shapes.ts";
import type { Buffer, Operand } from "./instructions.ts";

/** How rows lie in memory. */
export interface RowLayout {
  /** Floats in a line; every row of a matrix starts on one. */
  readonly lineFloats: number;
  /** Rows of a multiple of this many lines get one more, so that walking down a column does not meet the same few sets of a cache; Infinity for none. */
  readonly crowdedLines: number;
}

/** Lines that so many floats take. */
export const linesOf = ({ lineFloats }: RowLayout, floats: number): number => Math.ceil(floats / lineFloats);
/** Length in floats of a stored row of `columns` values. */
export function rowLength(layout: RowLayout, columns: number): number {
  const lines = linesOf(layout, columns);
  return (lines % layout.crowdedLines === 0 ? lines + 1 : lines) * layout.lineFloats;
}

/** A tensor as rows of its last axis; all axes before it count rows. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
}
/** A tensor's shape without its trial axis, as a matrix. */
export const matrixOf = (shape: Shape): Matrix => ({ rows: sizeOf(shape.slice(0, -1)), columns: shape.at(-1) ?? 1 });
/** Lines that a stored matrix takes. */
export const matrixLines = (layout: RowLayout, { rows, columns }: Matrix): number =>
  (rows * rowLength(layout, columns)) / layout.lineFloats;

/** Copies a dense matrix to stored rows. */
export function scatterRows(layout: RowLayout, dense: Float32Array, { rows, columns }: Matrix, stored: Float32Array): void {
  const row = rowLength(layout, columns);
  if (row === columns) return stored.set(dense);
  for (let r = 0; r < rows; r++) stored.set(dense.subarray(r * columns, (r + 1) * columns), r * row);
}
/** Copies stored rows to a dense matrix. */
export function gatherRows(layout: RowLayout, stored: Float32Array, { rows, columns }: Matrix, dense: Float32Array): void {
  const row = rowLength(layout, columns);
  if (row === columns) return dense.set(stored.subarray(0, dense.length));
  for (let r = 0; r < rows; r++) dense.set(stored.subarray(r * row, r * row + columns), r * columns);
}

/** Where buffers lie in one block of memory, and how many lines that has. */
export interface PlacedBuffers {
  /** The line at which each buffer begins. */
  readonly firstLines: ReadonlyMap<Buffer, number>;
  readonly lines: number;
}

/**
 * Gives each buffer that steps name the lowest lines that are free from the first to the last
 * step that names it; buffers in `kept` stay to the end. `steps` holds the operands of each.
 */
export function placeBuffers(steps: readonly (readonly Operand[])[], kept: ReadonlySet<Buffer>): PlacedBuffers {
  const lastUse = new Map<Buffer, number>();
  steps.forEach((operands, step) => {
    for (const { buffer } of operands) lastUse.set(buffer, kept.has(buffer) ? Infinity : step);
  });
  const firstLines = new Map<Buffer, number>();
  let lines = 0;
  /** Free lines in order, the last without an end: there are few, where a deep model has very many buffers that wait for the backward pass. */
  const gaps: { begin: number; end: number }[] = [{ begin: 0, end: Infinity }];
  const take = (wanted: number): number => {
    const index = gaps.findIndex(({ begin, end }) => end - begin >= wanted);
    const gap = gaps[index];
    const { begin } = gap;
    gap.begin += wanted;
    if (gap.begin === gap.end) gaps.splice(index, 1);
    return begin;
  };
  const giveBack = (begin: number, end: number): void => {
    const index = gaps.findIndex((gap) => gap.begin >= end);
    const [before, after] = [gaps[index - 1] as (typeof gaps)[number] | undefined, gaps[index]];
    if (after.begin === end) after.begin = begin;
    else gaps.splice(index, 0, { begin, end });
    if (before?.end !== begin) return;
    gaps[index].begin = before.begin;
    gaps.splice(index - 1, 1);
  };
  steps.forEach((operands, step) => {
    for (const { buffer } of operands) {
      if (firstLines.has(buffer)) continue;
      const begin = take(buffer.lines);
      firstLines.set(buffer, begin);
      lines = Math.max(lines, begin + buffer.lines);
    }
    for (const buffer of new Set(operands.map((each) => each.buffer))) {
      const begin = firstLines.get(buffer) as number;
      if (lastUse.get(buffer) === step) giveBack(begin, begin + buffer.lines);
    }
  });
  return { firstLines, lines };
}
