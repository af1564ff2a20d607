/**
 * The contract of a search method: it suggests points and is told how they went.
 * What it suggests is a pure function of the space, the seed and what it was told, in
 * order, so that a run resumes by replaying its observations. No clock, no other randomness.
 */
import { keyOf, type Point, type Space } from "./space.ts";

/** How one trial went, as a designer is told. */
export interface Observation {
  readonly point: Point;
  /** Null when the trial diverged or failed. */
  readonly validationLoss: number | null;
  /** Steps that it was trained for; fewer than the others' when it was stopped early. */
  readonly steps: number;
}

/** A search method at work on one space. */
export interface Designer {
  /** The next points: `count` of them, or what is left of a space that is exhausted. */
  suggest(count: number): readonly Point[];
  observe(results: readonly Observation[]): void;
}

/** What a designer is made from. */
export interface DesignerOptions {
  readonly space: Space;
  readonly seed: number;
  /** Trials planned in all. */
  readonly trials: number;
}

/** What has been suggested and observed so far. Observations need not have been suggested by this designer: so a run resumes. */
export class Ledger {
  readonly observations: Observation[] = [];
  private readonly awaited = new Map<string, Point>();
  private readonly space: Space;
  /** Points suggested or observed so far, repetitions included. */
  position = 0;

  constructor(space: Space) {
    this.space = space;
  }

  /** Points suggested and not observed yet. */
  get pending(): readonly Point[] {
    return [...this.awaited.values()];
  }

  suggested(point: Point): void {
    this.position++;
    this.awaited.set(keyOf(this.space, point), point);
  }

  observed(results: readonly Observation[]): void {
    for (const result of results) {
      if (!this.awaited.delete(keyOf(this.space, result.point))) this.position++;
      this.observations.push(result);
    }
  }
}

/** Attempts to find a point not tried before; specs whose spaces hold too few are refused beforehand. */
export const maxRedraws = 10_000;

/** A designer that does not learn: `pointAt` gives the trials' points in order, knowing the keys of those before, and undefined at the end. */
export function sequence(space: Space, pointAt: (trial: number, seen: ReadonlySet<string>) => Point | undefined): Designer {
  const ledger = new Ledger(space);
  const points: Point[] = [];
  const seen = new Set<string>();
  return {
    suggest: (count) => {
      const end = ledger.position + count;
      for (let trial = points.length; trial < end; trial++) {
        const point = pointAt(trial, seen);
        if (point === undefined) break;
        seen.add(keyOf(space, point));
        points.push(point);
      }
      const suggested = points.slice(ledger.position, end);
      for (const point of suggested) ledger.suggested(point);
      return suggested;
    },
    observe: (results) => ledger.observed(results),
  };
}
