/**
 * Losses on learning-rate curves, between the rates that were tried too, and their differences with what
 * seeds make of them. Owns no verdict. A loss is a weighted sum of mean losses, so that its error is known.
 */
import { mean, pooledDeviation, studentBound } from "../statistics.ts";
import type { Family } from "./records.ts";

type Points = Family["curves"][number]["points"];
type Losses = Points[number]["losses"];

/** The mean loss of one point times a weight; with weight 0 its seeds tell of the noise only. */
export interface Term {
  readonly losses: Losses;
  readonly weight: number;
}

/** A difference between losses, in nats. */
export interface Contrast {
  readonly nats: number;
  /** Standard deviation of one seed's loss, pooled over all terms; null where no point has two seeds. */
  readonly deviation: number | null;
  /** Degrees of freedom of that. */
  readonly freedom: number;
  /** Null with the deviation. */
  readonly standardError: number | null;
}

const isSound = ({ losses }: { readonly losses: Losses }): boolean => losses.length > 0 && losses.every((loss) => loss !== null);
const finiteOf = (losses: Losses): readonly number[] => losses.filter((loss) => loss !== null);

/** Rates closer than this to one that was tried are that one, in octaves. */
const sameRate = 1e-9;

/** Lagrange's weights of the values at `xs` for the value at `x`. */
const lagrange = (xs: readonly number[], x: number): readonly number[] =>
  xs.map((own, index) => xs.reduce((product, other, at) => (at === index ? product : (product * (x - other)) / (own - other)), 1));

/** How a rate lies on a curve on which some models diverge. */
export type Reading = readonly Term[] | "diverges" | "unknown";

/**
 * The mean loss at any log2 rate of a curve: on the parabolas through the two points around it and one more on either
 * side, each weighted by how near it is. `diverges` where both points around it did so, `unknown` where one did.
 */
export function lossAt(points: Points, log2Rate: number): Reading {
  const xs = points.map(({ learning_rate: rate }) => Math.log2(rate));
  const nearest = xs.findIndex((x) => Math.abs(x - log2Rate) <= sameRate);
  if (nearest >= 0) return isSound(points[nearest]) ? withNeighbours(points, nearest) : "diverges";
  const right = Math.min(points.length - 1, Math.max(1, xs.filter((x) => x < log2Rate).length));
  const [left, isLeft, isRight] = [right - 1, isSound(points[right - 1]), isSound(points[right])];
  if (!isLeft || !isRight) return isLeft || isRight ? "unknown" : "diverges";
  const share = (log2Rate - xs[left]) / (xs[right] - xs[left]);
  const outer = [left - 1, right + 1].map((index) => (points[index] !== undefined && isSound(points[index]) ? index : undefined));
  const parabolas = outer.flatMap((index, side) =>
    index === undefined ? [] : [{ at: side === 0 ? [index, left, right] : [left, right, index], share: side === 0 ? 1 - share : share }],
  );
  // With one neighbour there is one parabola, with none a line.
  const pieces = parabolas.length === 2 ? parabolas : [{ at: parabolas[0]?.at ?? [left, right], share: 1 }];
  const weights = new Map<number, number>();
  for (const { at, share: part } of pieces) {
    const own = lagrange(
      at.map((index) => xs[index]),
      log2Rate,
    );
    for (const [place, index] of at.entries()) weights.set(index, (weights.get(index) ?? 0) + part * own[place]);
  }
  return [...weights].map(([index, weight]) => ({ losses: points[index].losses, weight }));
}

function withNeighbours(points: Points, index: number): readonly Term[] {
  return [index - 1, index, index + 1].flatMap((at) =>
    points[at] === undefined ? [] : [{ losses: points[at].losses, weight: at === index ? 1 : 0 }],
  );
}

/** The first loss minus the second; null where one of them is not known. */
export function difference(first: Reading, second: Reading): Contrast | null {
  if (typeof first === "string" || typeof second === "string") return null;
  // A point that both losses rest on counts once, with both weights.
  const weights = new Map<Losses, number>();
  for (const { losses, weight } of first) weights.set(losses, (weights.get(losses) ?? 0) + weight);
  for (const { losses, weight } of second) weights.set(losses, (weights.get(losses) ?? 0) - weight);
  const terms = [...weights].map(([losses, weight]) => ({ losses: finiteOf(losses), weight, isSound: isSound({ losses }) }));
  const groups = terms.filter((term) => term.isSound).map(({ losses }) => losses);
  const deviation = pooledDeviation(groups);
  const used = terms.filter(({ weight }) => weight !== 0);
  return {
    nats: used.reduce((sum, { losses, weight }) => sum + weight * mean(losses), 0),
    deviation,
    freedom: groups.reduce((sum, { length }) => sum + length - 1, 0),
    standardError:
      deviation === null ? null : deviation * Math.sqrt(used.reduce((sum, { losses, weight }) => sum + weight ** 2 / losses.length, 0)),
  };
}

/** The bounds that the truth is beyond with a chance of `tail` on either side; null with a single seed. */
export function boundsOf({ nats, standardError, freedom }: Contrast, tail: number): readonly [number, number] | null {
  if (standardError === null) return null;
  const reach = studentBound(tail, freedom) * standardError;
  return [nats - reach, nats + reach];
}

/** What one seed's loss exceeds its mean by with a chance of `tail`, in nats; null with a single seed. */
export const chanceOf = ({ deviation, freedom }: Contrast, tail: number): number | null =>
  deviation === null ? null : studentBound(tail, freedom) * deviation;
