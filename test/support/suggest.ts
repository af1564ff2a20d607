import { designers, type MethodName } from "../../src/search/designers.ts";
import type { Point, Space } from "../../src/search/space.ts";

/** The first `count` points of a method, without any results. */
export const suggest = (method: MethodName, space: Space, count: number, seed: number): readonly Point[] =>
  designers[method].make({ space, seed, trials: count }).suggest(count);
