/**
 * How often the range that is predicted for a target holds its loss: on the committed curves over widths, each seed and
 * rate of the widest is predicted from narrower ones as a check before a launch does.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { predictLoss } from "../../src/evidence/prediction.ts";
import { mean, pooledDeviation } from "../../src/statistics.ts";

interface File {
  readonly families: readonly {
    readonly parametrization: string;
    readonly curves: readonly { readonly size: number; readonly points: readonly { readonly losses: readonly (number | null)[] }[] }[];
  }[];
}

/** Predictions of one parametrization. */
export interface PredictionSummary {
  readonly parametrization: string;
  readonly predictions: number;
  readonly covers: number;
  readonly mean_width_nats: number;
  readonly mean_error_nats: number;
}

/** Predictions of width 256 from 32, 64 and 128 of bench/results/curves.json. */
export function predictions(): readonly PredictionSummary[] {
  const path = fileURLToPath(new URL("../../../bench/results/curves.json", import.meta.url));
  const { families } = JSON.parse(readFileSync(path, "utf8")) as File;
  return families.map(({ parametrization, curves }) => {
    const [below, proxy, between, target] = curves;
    const all = proxy.points.flatMap((_, rate) => {
      const at = (curve: typeof proxy): readonly (number | null)[] => curve.points[rate].losses;
      if ([below, proxy, between, target].some((curve) => at(curve).includes(null))) return [];
      const seeds = at(proxy) as readonly number[];
      const deviation = pooledDeviation([seeds]) ?? 0;
      return seeds.map((_seed, seed) => {
        const points = [
          { width: below.size, validationLoss: at(below)[seed] as number },
          { width: proxy.size, validationLoss: mean(seeds) },
          { width: between.size, validationLoss: at(between)[seed] as number },
        ];
        const { validationLoss, low, high } = predictLoss(points, target.size, { deviationNats: deviation, freedom: seeds.length - 1 });
        const truth = at(target)[seed] as number;
        return { isRight: truth >= low && truth <= high, width: high - low, error: validationLoss - truth };
      });
    });
    return {
      parametrization,
      predictions: all.length,
      covers: all.filter(({ isRight }) => isRight).length / all.length,
      mean_width_nats: mean(all.map(({ width }) => width)),
      mean_error_nats: mean(all.map(({ error }) => error)),
    };
  });
}
