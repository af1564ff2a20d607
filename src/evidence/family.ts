/**
 * What the curves of one parametrization say of transfer: whether the optimum stays, whether larger is better, and
 * what keeping the smallest's rate costs; each holds, is violated, or is not sure. Where optima are is curves.ts's business.
 */
import { slopeOf, studentBound } from "../statistics.ts";
import { boundsOf, chanceOf, difference, lossAt, type Contrast } from "./contrasts.ts";
import type { Drift, Family, Gap, Growth, Missing, TransferVerdict } from "./records.ts";

type Curve = Family["curves"][number];
type Judged = Omit<Family, "parametrization" | "curves">;
/** A curve that has an optimum. */
type Sound = Curve & { readonly optimum: NonNullable<Curve["optimum"]> };

/** Octaves per doubling within which an optimum stays where it is. */
const steadyOctaves = 0.25;
/** Chance that a bound is passed, on either side: of a 90 % interval, and of all places at which larger might be worse together. */
const tail = 0.05;
/** A rate counts as one that is not right of an optimum when it is within so many octaves of it. */
const sameRate = 1e-9;

const isKnown = (curve: Curve): curve is Sound => curve.optimum !== null;
const isInterior = ({ optimum: { edge } }: Sound): boolean => edge === null;
const ownLoss = ({ points, optimum }: Sound): ReturnType<typeof lossAt> => lossAt(points, optimum.log2_learning_rate);

/**
 * Slope of the optimum over log2 size, with its 90 % interval from those of the optima: a slope is a weighted sum of them,
 * and what each may be off by adds up as squares. Source: Zou and Donner 2008, "Construction of confidence limits about
 * effect measures: a general approach".
 */
function driftOf(curves: readonly Curve[]): Drift | null {
  const known = curves.filter(isKnown);
  if (curves.length < 2 || known.length < curves.length) return null;
  const logs = known.map(({ size }) => Math.log2(size));
  const rates = known.map(({ optimum }) => optimum.log2_learning_rate);
  const slope = slopeOf(logs, rates);
  // An optimum at an edge may be anywhere beyond it.
  const below = known.map(({ optimum: { low, edge } }, index) => (low === null || edge === "low" ? Infinity : rates[index] - low));
  const above = known.map(({ optimum: { high, edge } }, index) => (high === null || edge === "high" ? Infinity : high - rates[index]));
  const weights = logs.map((_, index) =>
    slopeOf(
      logs,
      logs.map((__, at) => (at === index ? 1 : 0)),
    ),
  );
  const reach = (whenPositive: readonly number[], whenNegative: readonly number[]): number =>
    Math.sqrt(
      weights.reduce((sum, weight, index) => {
        const side = weight > 0 ? whenPositive : whenNegative;
        // The middle one of an odd number of sizes has no weight, wherever it is.
        return Math.abs(weight) < sameRate ? sum : sum + (weight * side[index]) ** 2;
      }, 0),
    );
  const finite = (bound: number): number | null => (Number.isFinite(bound) ? bound : null);
  return {
    per_doubling: known.every(isInterior) ? slope : null,
    low: finite(slope - reach(below, above)),
    high: finite(slope + reach(above, below)),
  };
}

/** A place at which a larger size is compared with a smaller one. */
interface Comparison {
  /** Null where each has its own best rate. */
  readonly learning_rate: number | null;
  readonly smaller: number;
  readonly larger: number;
  readonly contrast: Contrast;
}

function compared(smaller: Sound, larger: Sound, rate: number | null): readonly Comparison[] {
  const [before, after] =
    rate === null ? [ownLoss(smaller), ownLoss(larger)] : [smaller, larger].map(({ points }) => lossAt(points, Math.log2(rate)));
  const contrast = difference(after, before);
  return contrast === null ? [] : [{ learning_rate: rate, smaller: smaller.size, larger: larger.size, contrast }];
}

/**
 * Neighbouring sizes at every rate up to both optima, and any two at those. Beyond them larger models are the more
 * fragile ones, and nobody trains there.
 */
function comparisonsOf(curves: readonly Curve[]): readonly Comparison[] {
  const atRates = curves.slice(1).flatMap((larger, index) => {
    const smaller = curves[index];
    if (!isKnown(larger) || !isKnown(smaller)) return [];
    const last = Math.min(larger.optimum.log2_learning_rate, smaller.optimum.log2_learning_rate) + sameRate;
    const rates = larger.points.map(({ learning_rate: rate }) => rate).filter((rate) => Math.log2(rate) <= last);
    return rates.flatMap((rate) => compared(smaller, larger, rate));
  });
  // At an edge of the grid the larger one's own best is not known.
  const known = curves.filter(isKnown);
  const atBest = known.flatMap((larger, index) =>
    isInterior(larger) ? known.slice(0, index).flatMap((smaller) => compared(smaller, larger, null)) : [],
  );
  return [...atBest, ...atRates];
}

/** Places at which larger is clearly worse: by more than chance makes anywhere, were all of them alike. */
function violationsOf(comparisons: readonly Comparison[]): Family["violations"] {
  return comparisons.flatMap(({ contrast, ...place }) => {
    const { nats, standardError, freedom } = contrast;
    if (standardError === null || nats <= 0) return [];
    const bound = studentBound(tail / comparisons.length, freedom) * standardError;
    return nats > bound ? [{ ...place, nats, bound }] : [];
  });
}

/** The loss of the largest minus that of the smallest, each at its best rate; null where an edge of the grid hides one. */
function growthOf(curves: readonly Curve[]): Growth | null {
  const [smallest, largest] = [curves[0], curves[curves.length - 1]];
  if (curves.length < 2 || !isKnown(smallest) || !isKnown(largest) || !isInterior(smallest) || !isInterior(largest)) return null;
  const contrast = difference(ownLoss(largest), ownLoss(smallest));
  if (contrast === null) return null;
  const [low, high] = boundsOf(contrast, tail) ?? [null, null];
  return { nats: contrast.nats, low, high, seed_noise: chanceOf(contrast, tail) };
}

/** What keeping the smallest's best rate costs at the largest; null where the smallest has none. */
function gapOf(curves: readonly Curve[]): Gap | null {
  const [smallest, largest] = [curves[0], curves[curves.length - 1]];
  if (curves.length < 2 || !isKnown(smallest) || !isInterior(smallest)) return null;
  const kept = lossAt(largest.points, smallest.optimum.log2_learning_rate);
  if (kept === "diverges") return { nats: null, low: null, high: null, seed_noise: null };
  const contrast = isKnown(largest) ? difference(kept, ownLoss(largest)) : null;
  if (contrast === null) return null;
  const [low, high] = boundsOf(contrast, tail) ?? [null, null];
  return { nats: contrast.nats, low, high, seed_noise: chanceOf(contrast, tail) };
}

/** Whether the optimum stays where it is; null where that is not sure. */
function staysOf(drift: Drift | null): boolean | null {
  if (drift === null) return null;
  const { low, high } = drift;
  if ((low !== null && low > steadyOctaves) || (high !== null && high < -steadyOctaves)) return false;
  return low !== null && high !== null && low >= -steadyOctaves && high <= steadyOctaves ? true : null;
}

/** Whether the largest is surely better than the smallest, and no size worse than a smaller one; null where that is not sure. */
function improvesOf(growth: Growth | null, violations: Family["violations"]): boolean | null {
  if (violations.length > 0) return false;
  return growth?.high != null && growth.high < 0 ? true : null;
}

/** Whether the smallest's rate is as good as the largest's own but for a seed's chance; null where that is not sure. */
function sufficesOf(gap: Gap | null): boolean | null {
  if (gap === null) return null;
  const { nats, low, high, seed_noise: noise } = gap;
  if (nats === null) return false;
  if (low === null || high === null || noise === null) return null;
  if (low > noise) return false;
  return high <= noise ? true : null;
}

/** What would tell where something is not sure. */
function missingOf(curves: readonly Curve[], gap: Gap | null): readonly Missing[] {
  if (curves.length < 2) return ["sizes"];
  const has = (edge: "low" | "high"): boolean => curves.some(({ optimum }) => optimum?.edge === edge);
  const seeds = curves[0].points[0].losses.length;
  const isVague = curves.some(
    ({ optimum }) => optimum !== null && optimum.edge === null && (optimum.low === null || optimum.high === null),
  );
  const wider: readonly Missing[] = [
    ...(has("low") || curves.some(({ optimum }) => optimum === null) ? (["lower_rates"] as const) : []),
    ...(has("high") || curves.some(({ optimum }) => optimum === null) ? (["higher_rates"] as const) : []),
  ];
  const isCoarse = seeds > 1 && (isVague || (gap === null && wider.length === 0));
  const missing: readonly Missing[] = [...wider, ...(isCoarse ? (["finer_grid"] as const) : [])];
  if (seeds === 1 || missing.length === 0 || isCoarse) return [...missing, "seeds"];
  return missing;
}

/** Everything that curves in ascending order of size, with their optima, say of transfer. */
export function judgementOf(curves: readonly Curve[]): Judged {
  const drift = driftOf(curves);
  const comparisons = comparisonsOf(curves);
  const violations = violationsOf(comparisons);
  const [growth, gap] = [growthOf(curves), gapOf(curves)];
  // One seed tells nothing of noise, whatever it did.
  const isSure = curves[0].points[0].losses.length > 1;
  const parts = {
    optimum_stays: isSure ? staysOf(drift) : null,
    larger_is_better: isSure ? improvesOf(growth, violations) : null,
    smallest_rate_suffices: isSure ? sufficesOf(gap) : null,
  };
  const all = Object.values(parts);
  const verdict: TransferVerdict = all.includes(false) ? "DOES_NOT_TRANSFER" : all.includes(null) ? "INCONCLUSIVE" : "TRANSFERS";
  const missing = verdict === "INCONCLUSIVE" ? [...missingOf(curves, gap)] : [];
  return { verdict, ...parts, missing, drift, growth, places: comparisons.length, violations, gap };
}
