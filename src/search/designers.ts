/**
 * Search methods: which points of the space a sweep tries, as a pure function of
 * the space and the seed. A method that learns from results will also take them.
 */
import { randomStream } from "../rng.ts";
import { draw, valuesOf, type Point, type Space } from "./space.ts";

export type MethodName = "random" | "grid";
type Designer = (space: Space, count: number, seed: number) => readonly Point[];

/** Attempts to find a point not drawn before; spaces that small are checked for size beforehand. */
const maxRedraws = 10_000;

/** Independent draws, without repetition. */
const random: Designer = (space, count, seed) => {
  const seen = new Set<string>();
  return Array.from({ length: count }, (_, trial) => {
    const stream = randomStream(seed, "search", trial);
    for (let attempt = 0; ; attempt++) {
      const point = Object.fromEntries(Object.entries(space).map(([name, domain]) => [name, draw(domain, stream)]));
      const key = JSON.stringify(point);
      if (!seen.has(key) || attempt === maxRedraws) {
        seen.add(key);
        return point;
      }
    }
  });
};

/** Every combination of the domains' values, the last name varying fastest. */
const grid: Designer = (space) =>
  Object.entries(space).reduce<readonly Point[]>(
    (points, [name, domain]) => points.flatMap((point) => valuesOf(domain).map((value) => ({ ...point, [name]: value }))),
    [{}],
  );

const designers: { readonly [M in MethodName]: Designer } = { random, grid };

/** The first `count` points of a method. */
export function suggest(method: MethodName, space: Space, count: number, seed: number): readonly Point[] {
  return designers[method](space, count, seed);
}
