/**
 * Sobol' points, scrambled by a random linear matrix and a digital shift
 * (Matoušek, "On the L2-discrepancy for anchored boxes", J. Complexity 14, 1998).
 * Direction numbers: Joe and Kuo, "Constructing Sobol sequences with better
 * two-dimensional projections", SIAM J. Sci. Comput. 30, 2008 (set new-joe-kuo-6.21201).
 */
import { randomStream, type RandomStream } from "../rng.ts";
import { cubeOf } from "./cube.ts";
import { maxRedraws, sequence, type Designer, type DesignerOptions } from "./designer.ts";
import { keyOf } from "./space.ts";

/** For dimension 2, 3, …: the primitive polynomial's degree, its inner coefficients as bits, and the initial numbers m₁ … of the degree. */
const joeKuo: readonly (readonly [degree: number, coefficients: number, initial: readonly number[]])[] = [
  [1, 0, [1]],
  [2, 1, [1, 3]],
  [3, 1, [1, 3, 1]],
  [3, 2, [1, 1, 1]],
  [4, 1, [1, 1, 3, 3]],
  [4, 4, [1, 3, 5, 13]],
  [5, 2, [1, 1, 5, 5, 17]],
  [5, 4, [1, 1, 5, 5, 5]],
  [5, 7, [1, 1, 7, 11, 19]],
  [5, 11, [1, 1, 5, 1, 1]],
  [5, 13, [1, 1, 1, 3, 11]],
];
/** The most dimensions that a sequence can have. */
export const maxDimensions = joeKuo.length + 1;

const bits = 32;

/** Columns of a dimension's generator matrix, each as a 32-bit word whose top bit is the first binary digit. */
function directions(dimension: number): readonly number[] {
  if (dimension === 0) return Array.from({ length: bits }, (_, index) => (1 << (31 - index)) >>> 0);
  const [degree, coefficients, initial] = joeKuo[dimension - 1];
  const words = initial.map((m, index) => (m << (31 - index)) >>> 0);
  for (let index = degree; index < bits; index++) {
    let word = words[index - degree] ^ (words[index - degree] >>> degree);
    for (let k = 1; k < degree; k++) if ((coefficients >>> (degree - 1 - k)) & 1) word ^= words[index - k];
    words.push(word >>> 0);
  }
  return words;
}

const parity = (word: number): number => {
  let folded = word;
  for (const shift of [16, 8, 4, 2, 1]) folded ^= folded >>> shift;
  return folded & 1;
};

/** Multiplies words by a random lower-triangular binary matrix with a unit diagonal: digit i depends on the digits up to i. */
function scrambled(words: readonly number[], stream: RandomStream): readonly number[] {
  const rows = Array.from({ length: bits }, (_, digit) => {
    const diagonal = (1 << (31 - digit)) >>> 0;
    const above = ~(diagonal | (diagonal - 1)) >>> 0;
    return ((stream.uint32() & above) | diagonal) >>> 0;
  });
  return words.map((word) => rows.reduce((result, row, digit) => (result | (parity(row & word) << (31 - digit))) >>> 0, 0));
}

/** Coordinates in [0, 1) of the points 0, 1, … of a scrambled sequence; up to 12 dimensions. */
export function sobolSequence(dimensions: number, seed: number): (index: number) => readonly number[] {
  if (dimensions > maxDimensions) throw new Error(`sobolSequence: ${dimensions} dimensions, more than ${maxDimensions}`);
  const axes = Array.from({ length: dimensions }, (_, dimension) => {
    const stream = randomStream(seed, "sobol", dimension);
    return { columns: scrambled(directions(dimension), stream), shift: stream.uint32() };
  });
  return (index) =>
    axes.map(({ columns, shift }) => {
      let word = shift;
      for (let bit = 0; index >>> bit > 0 && bit < bits; bit++) if ((index >>> bit) & 1) word ^= columns[bit];
      return (word >>> 0) / 2 ** bits;
    });
}

/** Points of the sequence in order; those that fall on a point tried before are passed over. */
export function sobolDesigner({ space, seed }: DesignerOptions): Designer {
  const cube = cubeOf(space);
  const coordinates = sobolSequence(cube.dimensions.length, seed);
  let index = 0;
  return sequence(space, (_, seen) => {
    let point = cube.pointAt(coordinates(index++));
    for (let attempt = 0; attempt < maxRedraws && seen.has(keyOf(space, point)); attempt++) point = cube.pointAt(coordinates(index++));
    return point;
  });
}
