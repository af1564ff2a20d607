/** One search replayed on the table, and what is asked of it afterwards. */
import { randomStream } from "../../src/rng.ts";
import { designers, type MethodName } from "../../src/search/designers.ts";
import { everyPoint, keyOf } from "../../src/search/space.ts";
import type { Table } from "./table.ts";

/** A loss that stands for a run that diverged where means and ranks are taken. */
const divergedNats = 20;

export interface Landscape {
  readonly table: Table;
  readonly cellOf: ReadonlyMap<string, number>;
  /** Mean of the final losses of a cell's seeds. */
  readonly meansNats: readonly number[];
  /** Place of each cell among all by that mean, from 0. */
  readonly ranks: readonly number[];
}

export function landscapeOf(table: Table): Landscape {
  const meansNats = table.losses_nats.map(
    (seeds) => seeds.reduce((sum, losses) => sum + (losses.at(-1) ?? divergedNats), 0) / seeds.length,
  );
  const order = meansNats.map((_, cell) => cell).sort((a, b) => meansNats[a] - meansNats[b]);
  const ranks = meansNats.map(() => 0);
  order.forEach((cell, rank) => (ranks[cell] = rank));
  return { table, cellOf: new Map(everyPoint(table.space).map((point, cell) => [keyOf(table.space, point), cell])), meansNats, ranks };
}

/** The cells a method tries, in order, when it is told the final loss of one seed, `batch` results at a time. */
export function replayedCells(
  { table, cellOf }: Landscape,
  method: MethodName,
  { trials, batch, replay, objective }: { trials: number; batch: number; replay: number; objective: number },
): readonly number[] {
  const designer = designers[method].make({ space: table.space, seed: replay, trials });
  const cells: number[] = [];
  while (cells.length < trials) {
    const points = designer.suggest(Math.min(batch, trials - cells.length));
    const tried = points.map((point) => cellOf.get(keyOf(table.space, point)) as number);
    designer.observe(
      points.map((point, index) => ({
        point,
        validationLoss: table.losses_nats[tried[index]][objective].at(-1) ?? null,
        steps: table.checkpoints.at(-1) as number,
      })),
    );
    cells.push(...tried);
  }
  return cells;
}

const lossOf = ({ table }: Landscape, cell: number, seed: number, checkpoint = table.checkpoints.length - 1): number =>
  table.losses_nats[cell][seed][checkpoint] ?? Infinity;

/** Mean loss of the cell that a search with these trials would choose, minus the best cell's, in nats. */
export function regretNats(landscape: Landscape, cells: readonly number[], objective: number): number {
  const chosen = cells.reduce((best, cell) => (lossOf(landscape, cell, objective) < lossOf(landscape, best, objective) ? cell : best));
  return landscape.meansNats[chosen] - Math.min(...landscape.meansNats);
}

/** Rank of the cell chosen after the best max(4, N/8) of the trials have been trained with every seed. */
export function confirmedRank(landscape: Landscape, cells: readonly number[], objective: number): number {
  const byLoss = [...cells].sort((a, b) => lossOf(landscape, a, objective) - lossOf(landscape, b, objective));
  const finalists = byLoss.slice(0, Math.max(4, Math.ceil(cells.length / 8)));
  return landscape.ranks[finalists.reduce((best, cell) => (landscape.meansNats[cell] < landscape.meansNats[best] ? cell : best))];
}

/** Rungs at which all but 1/eta of the trials are stopped, as indices of checkpoints, lowest first. */
export function rungsOf(table: Table, eta: number, rungs: number): readonly number[] {
  const end = table.checkpoints.at(-1) as number;
  return Array.from({ length: rungs }, (_, rung) => table.checkpoints.indexOf(Math.round(end / eta ** (rungs - 1 - rung))));
}

/** Successive halving of all trials at once: the chosen cell's regret, and the steps as a share of training all to the end. */
export function halved(
  landscape: Landscape,
  cells: readonly number[],
  objective: number,
  eta: number,
  rungs: readonly number[],
): { readonly regretNats: number; readonly stepsShare: number } {
  const { table, meansNats } = landscape;
  let alive = [...cells];
  let steps = 0;
  let reached = 0;
  rungs.forEach((rung, index) => {
    steps += alive.length * (table.checkpoints[rung] - reached);
    reached = table.checkpoints[rung];
    alive.sort((a, b) => lossOf(landscape, a, objective, rung) - lossOf(landscape, b, objective, rung));
    if (index < rungs.length - 1) alive = alive.slice(0, Math.max(1, Math.ceil(alive.length / eta)));
  });
  return { regretNats: meansNats[alive[0]] - Math.min(...meansNats), stepsShare: steps / (cells.length * reached) };
}

/** Asynchronous successive halving (Li et al., 2020): trials arrive in a random order and go on when among the best 1/eta seen at their rung so far. */
export function halvedAsynchronously(
  landscape: Landscape,
  cells: readonly number[],
  { objective, eta, rungs, replay }: { objective: number; eta: number; rungs: readonly number[]; replay: number },
): { readonly regretNats: number; readonly stepsShare: number } {
  const { table, meansNats } = landscape;
  const stream = randomStream(replay, "arrival");
  const waiting = cells.map((cell) => ({ cell, key: stream.uniform() })).sort((a, b) => a.key - b.key);
  const results: number[][] = rungs.map(() => []);
  const promoted: Set<number>[] = rungs.map(() => new Set());
  let steps = 0;
  const train = (cell: number, rung: number): void => {
    steps += table.checkpoints[rungs[rung]] - (rung === 0 ? 0 : table.checkpoints[rungs[rung - 1]]);
    results[rung].push(cell);
  };
  /** The highest rung with a trial that may go on, as ASHA's workers look for one whenever they are free. */
  const promote = (): boolean => {
    for (let rung = rungs.length - 2; rung >= 0; rung--) {
      const best = [...results[rung]].sort(
        (a, b) => lossOf(landscape, a, objective, rungs[rung]) - lossOf(landscape, b, objective, rungs[rung]),
      );
      const cell = best.slice(0, Math.floor(best.length / eta)).find((each) => !promoted[rung].has(each));
      if (cell === undefined) continue;
      promoted[rung].add(cell);
      train(cell, rung + 1);
      return true;
    }
    return false;
  };
  for (const { cell } of waiting) {
    train(cell, 0);
    while (promote());
  }
  const top = results.findLastIndex((reached) => reached.length > 0);
  const chosen = results[top].reduce((a, b) =>
    lossOf(landscape, b, objective, rungs[top]) < lossOf(landscape, a, objective, rungs[top]) ? b : a,
  );
  const full = table.checkpoints.at(-1) as number;
  return { regretNats: meansNats[chosen] - Math.min(...meansNats), stepsShare: steps / (cells.length * full) };
}
