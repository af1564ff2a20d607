/**
 * Where everything lies: matrices on lines of 16 floats, a lane's state one after
 * the other, and intermediate values in a workspace whose places are used again
 * as soon as a value is no longer needed.
 */
import { sizeOf } from "../../program/program.ts";
import type { Shape } from "../../program/shapes.ts";
import { crowdedLines, lineFloats, operandsOf, type Buffer, type Instruction } from "./instructions.ts";

export const linesOf = (floats: number): number => Math.ceil(floats / lineFloats);
/**
 * Length in floats of a stored row of `columns` values. Rows of a multiple of 1 KiB get a line more:
 * walking down a column would otherwise meet the same few sets of the cache again and again.
 */
export function rowLength(columns: number): number {
  const lines = linesOf(columns);
  return (lines % crowdedLines === 0 ? lines + 1 : lines) * lineFloats;
}

/** The last axis is the row; all before it count rows. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
}
/** A tensor's shape without its trial axis, as a matrix. */
export const matrixOf = (shape: Shape): Matrix => ({ rows: sizeOf(shape.slice(0, -1)), columns: shape.at(-1) ?? 1 });
export const matrixLines = ({ rows, columns }: Matrix): number => (rows * rowLength(columns)) / lineFloats;

/** Copies a dense matrix to or from stored rows. */
export function scatterRows(dense: Float32Array, { rows, columns }: Matrix, stored: Float32Array): void {
  const row = rowLength(columns);
  if (row === columns) return stored.set(dense);
  for (let r = 0; r < rows; r++) stored.set(dense.subarray(r * columns, (r + 1) * columns), r * row);
}
export function gatherRows(stored: Float32Array, { rows, columns }: Matrix, dense: Float32Array): void {
  const row = rowLength(columns);
  if (row === columns) return dense.set(stored.subarray(0, dense.length));
  for (let r = 0; r < rows; r++) dense.set(stored.subarray(r * row, r * row + columns), r * columns);
}

export interface Placement {
  /** First line of each workspace buffer. */
  readonly position: ReadonlyMap<Buffer, number>;
  readonly lines: number;
}

/**
 * Gives each workspace buffer the lowest place that is free from the first to the last
 * instruction that names it; buffers in `kept` stay to the end.
 */
export function placeBuffers(instructions: readonly Instruction[], kept: ReadonlySet<Buffer>): Placement {
  const lastUse = new Map<Buffer, number>();
  instructions.forEach((instruction, index) => {
    for (const operand of operandsOf(instruction))
      if (operand && operand.buffer.lanePosition === undefined) lastUse.set(operand.buffer, kept.has(operand.buffer) ? Infinity : index);
  });
  const position = new Map<Buffer, number>();
  let lines = 0;
  /** Buffers in use, by place: in a deep model very many, most of which wait for the backward pass. */
  const live: { readonly buffer: Buffer; readonly begin: number }[] = [];
  instructions.forEach((instruction, index) => {
    for (const operand of operandsOf(instruction)) {
      if (!operand || operand.buffer.lanePosition !== undefined || position.has(operand.buffer)) continue;
      const { buffer } = operand;
      let [begin, place] = [0, 0];
      for (; place < live.length && begin + buffer.lines > live[place].begin; place++)
        begin = Math.max(begin, live[place].begin + live[place].buffer.lines);
      position.set(buffer, begin);
      lines = Math.max(lines, begin + buffer.lines);
      live.splice(place, 0, { buffer, begin });
    }
    for (const operand of operandsOf(instruction)) {
      if (!operand || lastUse.get(operand.buffer) !== index) continue;
      const place = live.findIndex(({ buffer }) => buffer === operand.buffer);
      if (place >= 0) live.splice(place, 1);
    }
  });
  return { position, lines };
}
