/**
 * What it costs to know how frequent each token is and nothing of their order: the loss of a model that has learned no
 * more. Owns how tokens are counted, of a sample where there are very many; what a loss is held against is others' business.
 */
import { openTokens, type TokenRun } from "./token-run.ts";

/** Tokens that are counted of each part at most, in stretches spread evenly over it. */
const stretch = 16_384;
const mostStretches = 64;

/** Occurrences of each id in a run, [V], of a sample of it when it is long; the same ones every time. */
function countsOf(run: TokenRun): Float64Array {
  const counts = new Float64Array(run.vocabSize);
  const isWhole = run.count <= stretch * mostStretches;
  const stretches = isWhole ? Math.ceil(run.count / stretch) : mostStretches;
  // By offset: what is counted of a run is little of it.
  const reader = openTokens(run, 0);
  const buffer = new Int32Array(stretch);
  try {
    for (let index = 0; index < stretches; index++) {
      const start = isWhole ? index * stretch : Math.floor((index * (run.count - stretch)) / (mostStretches - 1));
      const part = buffer.subarray(0, Math.min(stretch, run.count - start));
      reader.read(start, part);
      for (const id of part) counts[id]++;
    }
  } finally {
    reader.close();
  }
  return counts;
}

const sumOf = (counts: Float64Array): number => counts.reduce((sum, count) => sum + count, 0);

/**
 * Cross-entropy of the held-out tokens under the training tokens' frequencies, with one added to each count, in nats per token.
 * Throws `data_changed` when a file is no longer what was checked.
 */
export function frequencyLoss({ train, validation }: { readonly train: TokenRun; readonly validation: TokenRun }): number {
  const [known, heldOut] = [countsOf(train), countsOf(validation)];
  const total = Math.log(sumOf(known) + known.length);
  return heldOut.reduce((sum, count, id) => sum + count * (total - Math.log(known[id] + 1)), 0) / sumOf(heldOut);
}
