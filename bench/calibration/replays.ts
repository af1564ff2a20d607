/**
 * Sweeps and curves replayed on tables of trained cells: some of the cells of one seed, the best of them again on fresh
 * seeds; or a coarser grid with a few seeds. Draws only: what is estimated from them is the bench's business.
 */
import type { Point } from "../../src/search/space.ts";
import { randomStream, type RandomStream } from "../../src/rng.ts";
import { mean } from "../../src/statistics.ts";
import { divergedNats, type Landscape } from "./truth.ts";

/** One training of a replay. */
export interface Replayed {
  readonly point: Point;
  readonly loss: number | null;
}

/** A sweep as it might have gone. */
export interface Sweep {
  readonly first: readonly Replayed[];
  readonly fresh: readonly Replayed[];
  readonly winner: Point;
  /** log2 of the best rate under the winner's conditions, by all seeds. */
  readonly truth: number;
}

const [leastConfirmed, freshSeeds] = [4, 3];
/** Every second sweep tries a part of the rates only, at least so much of their range. */
const leastShare = 0.5;

export const drawn = <T>(items: readonly T[], count: number, stream: RandomStream): readonly T[] => {
  const left = [...items];
  return Array.from({ length: Math.min(count, left.length) }, () => left.splice(stream.integer(left.length), 1)[0]);
};
const lossOr = (loss: number | null): number => loss ?? divergedNats;

/** A random sweep of so many trials, of which an eighth (and at least four) are confirmed on up to three fresh seeds. */
export function sweepOf({ grid, cells, lossOf, bestLog2Rate }: Landscape, trials: number, replay: number): Sweep {
  const stream = randomStream(replay, `sweep of ${trials}`);
  const seeds = drawn(
    grid.losses[0].map((_, seed) => seed),
    1 + freshSeeds,
    stream,
  );
  const rates = cells.map((point) => Math.log2(point["learning_rate"]));
  const [least, most] = [Math.min(...rates), Math.max(...rates)];
  const share = replay % 2 === 0 ? 1 : leastShare + (1 - leastShare) * stream.uniform();
  const from = least + (1 - share) * (most - least) * stream.uniform();
  const within = cells.flatMap((_, cell) => (rates[cell] >= from && rates[cell] <= from + share * (most - least) ? [cell] : []));
  // A window of too few cells is none.
  const chosen = drawn(within.length < trials ? [...cells.keys()] : within, trials, stream);
  const best = [...chosen]
    .sort((a, b) => lossOr(lossOf(a, seeds[0])) - lossOr(lossOf(b, seeds[0])))
    .slice(0, Math.max(leastConfirmed, Math.ceil(trials / 8)));
  const means = best.map((cell) => mean(seeds.slice(1).map((seed) => lossOr(lossOf(cell, seed)))));
  const winner = best[means.indexOf(Math.min(...means))];
  return {
    first: chosen.map((cell) => ({ point: cells[cell], loss: lossOf(cell, seeds[0]) })),
    fresh: best.flatMap((cell) => seeds.slice(1).map((seed) => ({ point: cells[cell], loss: lossOf(cell, seed) }))),
    winner: cells[winner],
    truth: bestLog2Rate(winner),
  };
}

/** A curve on a grid of the table's rates. */
export interface Curve {
  readonly log2Rates: readonly number[];
  /** [rate][seed]. */
  readonly losses: readonly (readonly (number | null)[])[];
  readonly truth: number;
}

/** A curve over every `step` octaves with some of the seeds, everything else as in one of the cells; undefined when the table is coarser. */
export function curveOf(
  { grid, cells, lossOf, bestLog2Rate }: Landscape,
  step: number,
  seedCount: number,
  replay: number,
): Curve | undefined {
  const stream = randomStream(replay, `curve of ${step} with ${seedCount}`);
  const rates = grid.space["learning_rate"].values;
  const stride = Math.round(step / Math.log2(rates[1] / rates[0]));
  if (stride < 1 || seedCount > grid.losses[0].length) return undefined;
  const others = Object.entries(cells[stream.integer(cells.length)]).filter(([name]) => name !== "learning_rate");
  const offset = stream.integer(stride);
  const kept = new Set(rates.filter((_rate, index) => index % stride === offset));
  const line = cells
    .flatMap((point, cell) => {
      const isAlike = others.every(([name, value]) => point[name] === value);
      return isAlike && kept.has(point["learning_rate"]) ? [{ cell, rate: Math.log2(point["learning_rate"]) }] : [];
    })
    .sort((a, b) => a.rate - b.rate);
  const seeds = drawn(
    grid.losses[0].map((_loss, seed) => seed),
    seedCount,
    stream,
  );
  return {
    log2Rates: line.map(({ rate }) => rate),
    losses: line.map(({ cell }) => seeds.map((seed) => lossOf(cell, seed))),
    truth: bestLog2Rate(line[0].cell),
  };
}
