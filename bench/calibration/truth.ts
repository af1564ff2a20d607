/** What a table's seeds all together say: where the mean loss over seeds is lowest, for the rest of a cell's hyperparameters. */
import { everyPoint, type Point } from "../../src/search/space.ts";
import { lowest, mean } from "../../src/statistics.ts";
import type { Grid } from "./tables.ts";

/** Means are smoothed by a triangle that ends so many octaves to each side, so that one cell's luck is not the optimum. */
const smoothing = 0.25;
/** What a run that diverged counts as in a mean, in nats: more than any that did not. */
export const divergedNats = 9;

/** A table as replays use it. */
export interface Landscape {
  readonly grid: Grid;
  readonly cells: readonly Point[];
  /** In nats. */
  readonly lossOf: (cell: number, seed: number) => number | null;
  /** log2 of the best learning rate over all seeds, between grid points; everything else as in the cell. */
  readonly bestLog2Rate: (cell: number) => number;
}

const othersOf = (point: Point): string => JSON.stringify({ ...point, learning_rate: undefined });

/** Reads a table for replays. */
export function landscapeOf(grid: Grid): Landscape {
  const cells = everyPoint(grid.space);
  const means = grid.losses.map((seeds) => mean(seeds.map((loss) => loss ?? divergedNats)));
  const known = new Map<string, number>();
  const bestLog2Rate = (cell: number): number => {
    const key = othersOf(cells[cell]);
    const before = known.get(key);
    if (before !== undefined) return before;
    const line = cells
      .flatMap((point, index) => (othersOf(point) === key ? [{ x: Math.log2(point["learning_rate"]), y: means[index] }] : []))
      .sort((a, b) => a.x - b.x);
    const best = bottomOf(line);
    known.set(key, best);
    return best;
  };
  return { grid, cells, lossOf: (cell, seed) => grid.losses[cell][seed], bestLog2Rate };
}

/** Where a line of means is lowest: of the smoothed points the lowest, and the parabola's vertex through its neighbours. */
function bottomOf(line: readonly { readonly x: number; readonly y: number }[]): number {
  const step = line[1].x - line[0].x;
  const smooth = line.map(({ x }) => {
    const near = line.flatMap((other) => {
      const weight = 1 - Math.abs(other.x - x) / smoothing;
      return weight > 1e-9 ? [{ weight, y: other.y }] : [];
    });
    return near.reduce((sum, { weight, y }) => sum + weight * y, 0) / near.reduce((sum, { weight }) => sum + weight, 0);
  });
  const index = smooth.indexOf(lowest(smooth));
  if (index === 0 || index === line.length - 1) return line[index].x;
  const [a, b, c] = smooth.slice(index - 1, index + 2);
  return line[index].x + (step * (a - c)) / (2 * (a - 2 * b + c));
}
