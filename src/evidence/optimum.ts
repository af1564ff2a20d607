/** Where a curve of losses over a grid of learning rates is lowest, from a few seeds each. Numbers only. */
import { randomStream } from "../rng.ts";
import { bestRate, type RateInterval } from "../search/optimum.ts";
import { mean } from "../statistics.ts";

/** The log2 of the rate at which the mean over all seeds is lowest; `losses` are [rate][seed], null where a model diverged; undefined where they do not tell. */
export function curveOptimum(log2Rates: readonly number[], losses: readonly (readonly (number | null)[])[]): RateInterval | undefined {
  const seeds = losses[0].map((_, seed) => seed);
  // What a seed adds to the whole curve moves no optimum.
  const whole = losses.filter((each) => each.every((loss) => loss !== null)) as readonly (readonly number[])[];
  const grand = mean(whole.flat());
  const offsets = seeds.map((seed) => (whole.length === 0 ? 0 : mean(whole.map((each) => each[seed])) - grand));
  const samples = log2Rates.flatMap((log2Rate, rate) =>
    seeds.map((seed) => {
      const loss = losses[rate][seed];
      return { log2Rate, others: [], loss: loss === null ? null : loss - offsets[seed] };
    }),
  );
  return bestRate(samples, [], randomStream(1, "curves"), seeds.length);
}
