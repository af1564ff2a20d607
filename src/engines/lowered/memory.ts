/**
 * Where everything lies: matrices on whole lines, a lane's state one after
 * the other, and intermediate values in a workspace whose places are used again
 * as soon as a value is no longer needed.
 */
import { sizeOf } from "../../program/program.ts";
import type { Shape } from "../../program/shapes.ts";
import type { Buffer, Operand } from "./instructions.ts";

/** How rows lie in memory. */
export interface Layout {
  /** Floats in a line; every row of a matrix starts on one. */
  readonly lineFloats: number;
  /** Rows of a multiple of this many lines get one more, so that walking down a column does not meet the same few sets of a cache; Infinity for none. */
  readonly crowdedLines: number;
}

export const linesOf = ({ lineFloats }: Layout, floats: number): number => Math.ceil(floats / lineFloats);
/** Length in floats of a stored row of `columns` values. */
export function rowLength(layout: Layout, columns: number): number {
  const lines = linesOf(layout, columns);
  return (lines % layout.crowdedLines === 0 ? lines + 1 : lines) * layout.lineFloats;
}

/** The last axis is the row; all before it count rows. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
}
/** A tensor's shape without its trial axis, as a matrix. */
export const matrixOf = (shape: Shape): Matrix => ({ rows: sizeOf(shape.slice(0, -1)), columns: shape.at(-1) ?? 1 });
export const matrixLines = (layout: Layout, { rows, columns }: Matrix): number => (rows * rowLength(layout, columns)) / layout.lineFloats;

/** Copies a dense matrix to or from stored rows. */
export function scatterRows(layout: Layout, dense: Float32Array, { rows, columns }: Matrix, stored: Float32Array): void {
  const row = rowLength(layout, columns);
  if (row === columns) return stored.set(dense);
  for (let r = 0; r < rows; r++) stored.set(dense.subarray(r * columns, (r + 1) * columns), r * row);
}
export function gatherRows(layout: Layout, stored: Float32Array, { rows, columns }: Matrix, dense: Float32Array): void {
  const row = rowLength(layout, columns);
  if (row === columns) return dense.set(stored.subarray(0, dense.length));
  for (let r = 0; r < rows; r++) dense.set(stored.subarray(r * row, r * row + columns), r * columns);
}

export interface Placement {
  /** First line of each buffer. */
  readonly position: ReadonlyMap<Buffer, number>;
  readonly lines: number;
}

/**
 * Gives each buffer that steps name the lowest place that is free from the first to the last
 * step that names it; buffers in `kept` stay to the end. `steps` holds the operands of each.
 */
export function placeBuffers(steps: readonly (readonly Operand[])[], kept: ReadonlySet<Buffer>): Placement {
  const lastUse = new Map<Buffer, number>();
  steps.forEach((operands, index) => {
    for (const { buffer } of operands) lastUse.set(buffer, kept.has(buffer) ? Infinity : index);
  });
  const position = new Map<Buffer, number>();
  let lines = 0;
  /** Buffers in use, by place: in a deep model very many, most of which wait for the backward pass. */
  const live: { readonly buffer: Buffer; readonly begin: number }[] = [];
  steps.forEach((operands, index) => {
    for (const { buffer } of operands) {
      if (position.has(buffer)) continue;
      let [begin, place] = [0, 0];
      for (; place < live.length && begin + buffer.lines > live[place].begin; place++)
        begin = Math.max(begin, live[place].begin + live[place].buffer.lines);
      position.set(buffer, begin);
      lines = Math.max(lines, begin + buffer.lines);
      live.splice(place, 0, { buffer, begin });
    }
    for (const { buffer } of operands) {
      if (lastUse.get(buffer) !== index) continue;
      const place = live.findIndex((each) => each.buffer === buffer);
      if (place >= 0) live.splice(place, 1);
    }
  });
  return { position, lines };
}
