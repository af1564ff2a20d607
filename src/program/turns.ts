/** The angles of rotary positions: the same numbers for every engine. */

/** Cosines and sines by which the pairs of a head turn at each position, [T, D/2] each. */
export interface Turns {
  readonly cosines: Float32Array;
  readonly sines: Float32Array;
}

/** What position t turns pair j by: t·theta^(−2j/D). Source: Su et al. 2021, "RoFormer", equation 15. */
export function turnsOf(theta: number, headDim: number, context: number): Turns {
  const half = headDim / 2;
  const angle = (i: number): number => Math.floor(i / half) * theta ** ((-2 * (i % half)) / headDim);
  const table = (of: (angle: number) => number): Float32Array => Float32Array.from({ length: context * half }, (_, i) => of(angle(i)));
  return { cosines: table(Math.cos), sines: table(Math.sin) };
}
