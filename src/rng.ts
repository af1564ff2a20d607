/**
 * Random numbers as a pure function of (seed, label, index): Philox4x32-10, a
 * counter-based generator, so that any draw can be made again without replaying
 * the draws before it. Source: Salmon et al., "Parallel Random Numbers: As Easy
 * as 1, 2, 3" (SC 2011).
 */

type Words = readonly [number, number, number, number];

/** High 32 bits of the 64-bit product of two unsigned 32-bit integers. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = (middle & 0xffff) + aLow * bHigh;
  return (aHigh * bHigh + Math.floor(middle / 65536) + Math.floor(carry / 65536)) >>> 0;
}

/** One Philox4x32-10 block: four 32-bit words from a 128-bit counter and a 64-bit key. */
export function philox(counter: Words, key: readonly [number, number]): Words {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(0xd2511f53, c0);
    const low0 = Math.imul(0xd2511f53, c0);
    const high1 = multiplyHigh(0xcd9e8d57, c2);
    const low1 = Math.imul(0xcd9e8d57, c2);
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1 >>> 0, (high0 ^ c3 ^ k1) >>> 0, low0 >>> 0];
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** FNV-1a hash of a label, the second half of the key. */
function hashLabel(label: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(label)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** Random numbers, one after the other, each sequence of which a seed decides. */
export interface RandomStream {
  /** Uniform on the integers 0 … 2^32 − 1. */
  uint32(): number;
  /** Uniform on [0, 1), 53 bits. */
  uniform(): number;
  /** Uniform on the integers 0 … bound − 1, for bounds up to 2^53. */
  integer(bound: number): number;
  /** Standard normal (Box–Muller). */
  normal(): number;
}

/**
 * Opens the stream of draws that belongs to (seed, label, index).
 * Streams with different labels or indices are independent; `seed` and `index` are integers below 2^32.
 */
export function randomStream(seed: number, label: string, index = 0): RandomStream {
  const key = [seed >>> 0, hashLabel(label)] as const;
  let block: Words = [0, 0, 0, 0];
  let used = 4;
  let blocks = 0;
  let spareNormal: number | undefined;
  const uint32 = (): number => {
    if (used === 4) {
      block = philox([blocks++ >>> 0, index >>> 0, 0, 0], key);
      used = 0;
    }
    return block[used++];
  };
  const uniform = (): number => ((uint32() >>> 5) * 67108864 + (uint32() >>> 6)) / 9007199254740992;
  const normal = (): number => {
    if (spareNormal !== undefined) {
      const value = spareNormal;
      spareNormal = undefined;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
    const angle = 2 * Math.PI * uniform();
    spareNormal = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
  return { uint32, uniform, normal, integer: (bound) => Math.floor(uniform() * bound) };
}

/** `count` seeds from one on, the first of them included. */
export const seedsFrom = (seed: number, count: number): readonly number[] =>
  Array.from({ length: count }, (_, index) => (seed + index) % 2 ** 32);
