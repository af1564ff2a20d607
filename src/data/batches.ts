/**
 * Batches as a pure function of (seed, step): the same for every trial, width and
 * engine, so that trials of a sweep differ in nothing but their hyperparameters.
 */
import { randomStream } from "../rng.ts";
import { openTokens, type TokenReader, type TokenRun } from "./token-run.ts";

/** Token ids and the ids that follow them, [count, B, T] each. */
export interface TokenBatches {
  readonly count: number;
  readonly tokens: Int32Array;
  readonly targets: Int32Array;
}

/** B sequences of T tokens each. */
export interface BatchShape {
  readonly batch: number;
  readonly context: number;
}

/** Windows of training step `step` (from 1): B starts drawn uniformly with replacement from a run of `tokens`. */
export function trainingStarts(seed: number, step: number, tokens: number, { batch, context }: BatchShape): readonly number[] {
  const stream = randomStream(seed, "batch", step);
  return Array.from({ length: batch }, () => stream.integer(tokens - context));
}

/** Windows of the fixed validation set: `count` batches spread evenly over the whole run. */
export function validationStarts(count: number, tokens: number, { batch, context }: BatchShape): readonly number[] {
  const windows = count * batch;
  const lastStart = tokens - context - 1;
  return Array.from({ length: windows }, (_, index) => (windows === 1 ? 0 : Math.floor((index * lastStart) / (windows - 1))));
}

/** Reads the windows at `starts`, B to a batch. */
export function readBatches(reader: TokenReader, starts: readonly number[], { batch, context }: BatchShape): TokenBatches {
  const tokens = new Int32Array(starts.length * context);
  const targets = new Int32Array(starts.length * context);
  const window = new Int32Array(context + 1);
  starts.forEach((start, index) => {
    reader.read(start, window);
    tokens.set(window.subarray(0, context), index * context);
    targets.set(window.subarray(1), index * context);
  });
  return { count: starts.length / batch, tokens, targets };
}

/** Reads windows of a run that is not read any further. */
export function readWindows(run: TokenRun, starts: readonly number[], shape: BatchShape): TokenBatches {
  const reader = openTokens(run);
  try {
    return readBatches(reader, starts, shape);
  } finally {
    reader.close();
  }
}
