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
export interface Place {
  readonly point: Point;
  readonly coordinates: readonly number[];
}
export interface Result extends Place {
  /** In the order of results; what was not trained to its end has a loss made up for it. */
  readonly lossNats: number;
}

export interface Situation {
  readonly cube: Cube;
  /** Best first. */
  readonly results: readonly Result[];
  readonly pending: readonly Place[];
  readonly stream: RandomStream;
  /** Every point of a space that is small enough to be listed, without those tried; otherwise undefined. */
  readonly untried: readonly Place[] | undefined;
  /** Whether a point has been suggested or observed. */
  readonly isTried: (point: Point) => boolean;
}

export interface Model {
  /** Names its stream of random numbers. */
  readonly label: string;
  /** Trials before the first proposal, for a space of so many dimensions. */
  readonly startup: (dimensions: number) => number;
  /** Proposes `count` different places not tried yet, or as many as are left. */
  readonly propose: (situation: Situation, count: number) => readonly Place[];
}

/** Spaces up to this size are searched exhaustively by a model. */
const listedPoints = 2000;

/**
 * Results best first. A trial stopped early comes after all that went further, whatever its loss,
 * and one that diverged or failed after all others; losses are made up so that they keep that order.
 */
export function ranked(observations: readonly Observation[]): readonly { readonly point: Point; readonly lossNats: number }[] {
  const sound = observations.flatMap(({ point, lossNats, steps }) => (lossNats === null ? [] : [{ point, lossNats, steps }]));
  const ordered = sound.sort((a, b) => b.steps - a.steps || a.lossNats - b.lossNats);
  let shift = 0;
  const results = ordered.map(({ point, lossNats, steps }, index) => {
    const before = ordered[index - 1];
    if (before !== undefined && before.steps !== steps) shift = Math.max(shift, before.lossNats + shift - lossNats);
    return { point, lossNats: lossNats + shift };
  });
  const worst = results.at(-1)?.lossNats ?? 0;
  return [...results, ...observations.flatMap(({ point, lossNats }) => (lossNats === null ? [{ point, lossNats: worst + 1 }] : []))];
}

export function learner(options: DesignerOptions, { label, startup, propose }: Model): Designer {
  const { space, seed } = options;
  const cube = cubeOf(space);
  const ledger = new Ledger(space);
  const start = sobolDesigner(options);
  const tried = new Set<string>();
  const placeOf = (point: Point): Place => ({ point, coordinates: cube.coordinatesOf(point) });
  const all =
    spaceSize(space) <= listedPoints ? everyPoint(space).map((point) => ({ ...placeOf(point), key: keyOf(space, point) })) : undefined;
  const isTried = (point: Point): boolean => tried.has(keyOf(space, point));
  const startups = startup(cube.dimensions.length);

  const proposed = (count: number): readonly Point[] => {
    const situation: Situation = {
      cube,
      results: ranked(ledger.observations).map(({ point, lossNats }) => ({ ...placeOf(point), lossNats })),
      pending: ledger.pending.map(placeOf),
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
