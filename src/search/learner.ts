/**
 * What designers that learn have in common: Sobol' points to begin with, then points
 * that a model of the results so far proposes, none of them tried before.
 */
import { randomStream, type RandomStream } from "../rng.ts";
import { cubeOf, type Cube } from "./cube.ts";
import { Ledger, type Designer, type DesignerOptions, type Observation } from "./designer.ts";
import { sobolDesigner } from "./sobol.ts";
import { everyPoint, keyOf, spaceSize, type Point } from "./space.ts";

/** A point and where it lies in the unit cube. */
export interface PlacedPoint {
  readonly point: Point;
  readonly coordinates: readonly number[];
}
/** A point with the loss that it came to. */
export interface ScoredPoint extends PlacedPoint {
  /** Losses keep the order of results: what was not trained to its end has one made up for it. */
  readonly loss: number;
}

/** What a proposal starts from. */
export interface Situation {
  readonly cube: Cube;
  /** What has been observed, the best first. */
  readonly results: readonly ScoredPoint[];
  /** What had been observed when there were so many results, the best first. */
  readonly resultsAfter: (count: number) => readonly ScoredPoint[];
  readonly pending: readonly PlacedPoint[];
  readonly stream: RandomStream;
  /** Every point of a space that is small enough to be listed, without those tried; otherwise undefined. */
  readonly untried: readonly PlacedPoint[] | undefined;
  /** Whether a point has been suggested or observed. */
  readonly isTried: (point: Point) => boolean;
}

/** A model of the losses over a space, as a way to propose points. */
export interface Surrogate {
  /** Names its stream of random numbers. */
  readonly label: string;
  /** Trials before the first proposal, for a space of so many dimensions. */
  readonly startup: (dimensions: number) => number;
  /** Proposes `count` different points not tried yet, or as many as are left. */
  readonly propose: (situation: Situation, count: number) => readonly PlacedPoint[];
}

/** Spaces up to this size are searched exhaustively by a model. */
const listedPoints = 2000;

/**
 * Results best first. A trial stopped early comes after all that went further, whatever its loss,
 * and one that diverged or failed after all others; losses are made up so that they keep that order.
 */
export function ranked(observations: readonly Observation[]): readonly { readonly point: Point; readonly loss: number }[] {
  const sound = observations.flatMap(({ point, validationLoss: loss, steps }) => (loss === null ? [] : [{ point, loss, steps }]));
  const ordered = sound.sort((a, b) => b.steps - a.steps || a.loss - b.loss);
  let shift = 0;
  const results = ordered.map(({ point, loss, steps }, index) => {
    const before = ordered[index - 1];
    if (before !== undefined && before.steps !== steps) shift = Math.max(shift, before.loss + shift - loss);
    return { point, loss: loss + shift };
  });
  const worst = results.at(-1)?.loss ?? 0;
  return [...results, ...observations.flatMap(({ point, validationLoss: loss }) => (loss === null ? [{ point, loss: worst + 1 }] : []))];
}

/** A designer that proposes what its surrogate finds most promising. */
export function learner(options: DesignerOptions, { label, startup, propose }: Surrogate): Designer {
  const { space, seed } = options;
  const cube = cubeOf(space);
  const ledger = new Ledger(space);
  const start = sobolDesigner(options);
  const tried = new Set<string>();
  const placed = (point: Point): PlacedPoint => ({ point, coordinates: cube.coordinatesOf(point) });
  const all =
    spaceSize(space) <= listedPoints ? everyPoint(space).map((point) => ({ ...placed(point), key: keyOf(space, point) })) : undefined;
  const isTried = (point: Point): boolean => tried.has(keyOf(space, point));
  const startups = startup(cube.dimensions.length);

  const resultsAfter = (count: number): readonly ScoredPoint[] =>
    ranked(ledger.observations.slice(0, count)).map(({ point, loss }) => ({ ...placed(point), loss }));

  const proposed = (count: number): readonly Point[] => {
    const situation: Situation = {
      cube,
      results: resultsAfter(ledger.observations.length),
      resultsAfter,
      pending: ledger.pending.map(placed),
      stream: randomStream(seed, label, ledger.position),
      untried: all?.filter(({ key }) => !tried.has(key)),
      isTried,
    };
    return propose(situation, count).map(({ point }) => point);
  };
  return {
    suggest: (count) => {
      const points: Point[] = [];
      while (points.length < count) {
        // Until something is known there is nothing to model.
        const starting = ledger.observations.length === 0 ? count : Math.min(count, startups - ledger.position);
        const next = (starting > points.length ? start.suggest(starting - points.length) : proposed(count - points.length)).filter(
          (point) => !isTried(point),
        );
        if (next.length === 0) break;
        for (const point of next) {
          ledger.suggested(point);
          tried.add(keyOf(space, point));
        }
        points.push(...next);
      }
      return points;
    },
    observe: (results) => {
      start.observe(results);
      ledger.observed(results);
      for (const { point } of results) tried.add(keyOf(space, point));
    },
  };
}
