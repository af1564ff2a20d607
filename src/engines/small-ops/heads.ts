/** Rotary positions as small ops: a product with a matrix that exchanges the halves of a head, and two products by position. */
import type { OpOf } from "../../program/ops.ts";
import { turnsOf } from "../../program/turns.ts";
import type { Shape } from "../../program/shapes.ts";
import type { Expansion } from "./expansion.ts";

type Heads = Pick<OpOf<"heads">, "x" | "headDim">;

/** [N, R·H, D]: rows of single heads. */
export const headRows = <V>(e: Expansion<V>, { x, headDim }: Heads): Shape => [e.trials, (e.algebra.rows * e.last(x)) / headDim, headDim];

/** The sum (−b, a) of halves (a, b) as a matrix [D, D] from the right. */
function exchange(headDim: number): Float32Array {
  const [half, matrix] = [headDim / 2, new Float32Array(headDim * headDim)];
  for (let j = 0; j < half; j++) {
    matrix[(j + half) * headDim + j] = -1;
    matrix[j * headDim + j + half] = 1;
  }
  return matrix;
}

/** Rows [N, R, H·D] with every head turned by its position, or turned back. */
export function turned<V>(e: Expansion<V>, rows: V, { x, headDim }: Heads, theta: number, back: boolean): V {
  const { algebra: a } = e;
  const width = e.last(x);
  const { context } = a.dims;
  const { cosines, sines } = turnsOf(theta, headDim, context);
  const half = headDim / 2;
  const table = (name: string, of: Float32Array): V =>
    e.constant(`${name} ${theta} ${headDim} ${width}`, [context, width], () =>
      Float32Array.from({ length: context * width }, (_, i) => of[Math.floor(i / width) * half + ((i % width) % half)]),
    );
  const matrix = e.constant(`exchange ${headDim}`, [1, headDim, headDim], () => exchange(headDim));
  const exchanged = a.product(a.reshape(rows, [1, (e.trials * a.rows * width) / headDim, headDim]), matrix, back ? { b: true } : {});
  const [along, across] = [
    a.timesPositions(rows, table("cosines", cosines), width),
    a.timesPositions(a.reshape(exchanged, [e.trials, a.rows, width]), table("sines", sines), width),
  ];
  return a.add(along, across);
}
