/** Independent draws, without repetition. */
import { randomStream } from "../rng.ts";
import { maxRedraws, sequence, type Designer, type DesignerOptions } from "./designer.ts";
import { completePoint, isFree, keyOf, valueAt, type Point } from "./space.ts";

/** The designer that specs call `random`. */
export function randomDesigner({ space, seed }: DesignerOptions): Designer {
  return sequence(space, (trial, seen) => {
    const stream = randomStream(seed, "search", trial);
    const draw = (): Point => {
      // Each name takes exactly one number of the stream, so that domains do not disturb each other's draws.
      const drawn = Object.entries(space).map(([name, domain]) => [name, stream.uniform(), domain] as const);
      return completePoint(
        space,
        Object.fromEntries(drawn.flatMap(([name, u, domain]) => (isFree(domain) ? [[name, valueAt(domain, u)]] : []))),
      );
    };
    let point = draw();
    for (let attempt = 0; attempt < maxRedraws && seen.has(keyOf(space, point)); attempt++) point = draw();
    return point;
  });
}
