/**
 * Which tokens are held out: the end of each file, so that every language, author or year
 * that has a file of its own is validated on as well as trained on. Files too short to spare
 * a block of their own share one with those after them. One file is split at its end.
 */

/** Names the rule of splitting in the hash of data from several files: runs that hold out other tokens cannot mix. */
export const splitRule = "held out: the end of each file, 1";

/** A held-out block is so long at least, unless all files together are too short for that: most windows lie inside one. */
const leastHeldOut = 64;

/** Consecutive files that are split as one: `train` tokens to train on, and then `heldOut` tokens. */
export interface Part {
  readonly train: number;
  readonly heldOut: number;
}

/** Splits files of so many tokens each, in their order; `fraction` is held out. */
export function splitFiles(counts: readonly number[], fraction: number): readonly Part[] {
  const heldOutOf = (count: number): number => Math.floor(count * fraction);
  const sizes: number[] = [];
  let size = 0;
  for (const count of counts) {
    size += count;
    if (heldOutOf(size) < leastHeldOut) continue;
    sizes.push(size);
    size = 0;
  }
  // What is left over is too short for a block, and goes with the files before it.
  if (sizes.length === 0) sizes.push(size);
  else sizes[sizes.length - 1] += size;
  return sizes.map((count) => ({ train: count - heldOutOf(count), heldOut: heldOutOf(count) }));
}
