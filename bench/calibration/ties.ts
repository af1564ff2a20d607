/** What it costs to give a tie to the lowest learning rate among those that fresh seeds do not tell apart, instead of to the best mean. */
import type { Confirmed } from "../../src/sweep/confirmed.ts";
import { standingOf } from "../../src/sweep/racing.ts";
import { mean } from "../../src/statistics.ts";
import { randomStream } from "../../src/rng.ts";
import { drawn } from "./replays.ts";
import { divergedNats, type Landscape } from "./truth.ts";

const [least, most, trialCount] = [2, 4, 16];
/** The lowest rate of those tied is taken within these factors of the best mean's; at 1 the best mean wins. */
export const tieFactors = [1, Math.SQRT2, 2, Infinity];

/** Mean loss over the seeds that had no part in it of who wins with each factor, in nats above that of the best mean; undefined when nobody is tied. */
export function tieReplay({ grid, cells }: Landscape, replay: number): readonly number[] | undefined {
  const stream = randomStream(replay, "ties");
  const lossOf = (cell: number, seed: number): number => grid.losses[cell][seed] ?? divergedNats;
  const all = grid.losses[0].map((_, seed) => seed);
  if (all.length <= most) return undefined;
  const [first, ...fresh] = drawn(all, 1 + most, stream);
  const best = [...drawn([...cells.keys()], trialCount, stream)].sort((a, b) => lossOf(a, first) - lossOf(b, first)).slice(0, 4);
  const trained = new Map(best.map((cell) => [cell, least]));
  const confirmed = (): readonly Confirmed[] =>
    best.map((id) => {
      const seeds = fresh.slice(0, trained.get(id));
      const losses = seeds.map((seed) => lossOf(id, seed));
      const learningRate = cells[id]["learning_rate"];
      return { id, learningRate, seeds, validationLosses: losses, meanLoss: mean(losses), firstLoss: null, isRefuted: false };
    });
  for (;;) {
    const { contenders, next } = standingOf(confirmed(), { seeds: fresh, least });
    if (next !== undefined) {
      for (const id of next.ids) trained.set(id, (trained.get(id) ?? 0) + 1);
      continue;
    }
    if (contenders.length < 2) return undefined;
    const [leader] = contenders;
    // What chose must not judge.
    const others = all.filter((seed) => seed !== first && !fresh.includes(seed));
    const truth = ({ id }: Confirmed): number => mean(others.map((seed) => lossOf(id, seed)));
    return tieFactors.map((factor) => {
      const within = contenders.filter(({ learningRate }) => learningRate * factor >= leader.learningRate);
      const winner = factor === 1 ? leader : within.reduce((a, b) => (b.learningRate < a.learningRate ? b : a));
      return truth(winner) - truth(leader);
    });
  }
}
