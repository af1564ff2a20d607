/** Statistics of a model's tensors, as coordinate checks read them. What they say of a parametrization is evidence's business. */

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
 * the query is [N, B, T, C] and holds the attention scale already, the key [N, B, T, C/g], each of its heads for g of queries.
 */
export function attentionLogits(
  query: Float32Array,
  key: Float32Array,
  { width, headDim, context }: { readonly width: number; readonly headDim: number; readonly context: number },
): Float32Array {
  const sequences = query.length / (context * width);
  const keyWidth = key.length / (sequences * context);
  const shared = width / keyWidth;
  const logits = new Float32Array((sequences * (width / headDim) * context * (context + 1)) / 2);
  let cell = 0;
  for (let sequence = 0; sequence < sequences; sequence++)
    for (let column = 0; column < width; column += headDim)
      for (let t = 0; t < context; t++)
        for (let s = 0; s <= t; s++) {
          const keyColumn = Math.floor(column / headDim / shared) * headDim;
          const [q, k] = [(sequence * context + t) * width + column, (sequence * context + s) * keyWidth + keyColumn];
          let sum = 0;
          for (let d = 0; d < headDim; d++) sum += query[q + d] * key[k + d];
          logits[cell++] = sum;
        }
  return logits;
}
