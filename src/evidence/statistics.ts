/** The arithmetic of coordinate checks: statistics of tensors, and powers with which they follow the size. */
import { mean, slopeOf, squaredDeviations } from "../statistics.ts";

/** Mean |x|. */
export function meanMagnitude(x: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += Math.abs(x[i]);
  return sum / x.length;
}

/** Mean (y − x)². */
export function meanSquareChange(x: Float32Array, y: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += (y[i] - x[i]) ** 2;
  return sum / x.length;
}

/**
 * Causal attention logits q·k of heads of `headDim` columns, one after another for every row and key it may look at;
 * query and key are [N, B, T, C], and the query holds the attention scale already.
 */
export function attentionLogits(
  query: Float32Array,
  key: Float32Array,
  { width, headDim, context }: { readonly width: number; readonly headDim: number; readonly context: number },
): Float32Array {
  const sequences = query.length / (context * width);
  const logits = new Float32Array((sequences * (width / headDim) * context * (context + 1)) / 2);
  let cell = 0;
  for (let sequence = 0; sequence < sequences; sequence++)
    for (let column = 0; column < width; column += headDim)
      for (let t = 0; t < context; t++)
        for (let s = 0; s <= t; s++) {
          const [q, k] = [(sequence * context + t) * width + column, (sequence * context + s) * width + column];
          let sum = 0;
          for (let d = 0; d < headDim; d++) sum += query[q + d] * key[k + d];
          logits[cell++] = sum;
        }
  return logits;
}

export interface Estimate {
  readonly mean: number;
  /** Of the mean. */
  readonly standardError: number;
}

export function estimate(values: readonly number[]): Estimate {
  const count = values.length;
  return { mean: mean(values), standardError: Math.sqrt(squaredDeviations(values) / (count - 1) / count) };
}

/**
 * Power with which a statistic follows the size: one slope of log2 statistic over log2 size for each seed, and from
 * them mean and standard error. `values` are per size, then per seed. Undefined when a value is zero or not finite.
 */
export function scalingPower(sizes: readonly number[], values: readonly (readonly number[])[]): Estimate | undefined {
  if (values.flat().some((value) => !(value > 0 && value < Infinity))) return undefined;
  const log = sizes.map(Math.log2);
  const slopes = values[0].map((_, seed) =>
    slopeOf(
      log,
      values.map((perSeed) => Math.log2(perSeed[seed])),
    ),
  );
  return estimate(slopes);
}
