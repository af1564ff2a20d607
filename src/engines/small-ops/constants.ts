/** Numbers that every expansion of a program uses. */

/** Above this vocabulary a one-hot product costs more than adding rows one by one. */
export const oneHotLimit = 512;

/** Added to scores of positions that a query may not look at: below every score, and still finite. */
export const masked = -3e38;

/** The causal mask, [T, T]. */
export function maskValues(context: number): Float32Array {
  return Float32Array.from({ length: context * context }, (_, i) => (i % context > Math.floor(i / context) ? masked : 0));
}
