/**
 * What a page says of a run beyond its trials, from what is at hand: means over fresh seeds,
 * and what each tensor gets. Nothing here takes long; what does is read from results.json.
 */
import type { Hyperparameters } from "../parametrization/roles.ts";
import type { Results } from "../run/results.ts";
import type { CompleteSpec } from "../spec/complete.ts";
import { completeHyperparameters, modelConfig, scaling, sizesOf, statedHyperparameters } from "../spec/plan.ts";
import { seedDeviation } from "../sweep/deviation.ts";
import type { Verdict } from "../sweep/select.ts";
import type { TrialSummary } from "../run/state.ts";
import { tensorTable, type TensorTable } from "../training/tensor-table.ts";

/** A trial's mean over its fresh seeds. */
export interface ConfirmedMean {
  readonly trial: number;
  readonly seeds: number;
  /** In nats; null when a seed did not complete. */
  readonly mean: number | null;
  /** In nats, from a deviation pooled over all that were confirmed; null where seeds do not tell. */
  readonly standardError: number | null;
}

/** The means of a verdict's confirmed trials, best first; the winner's is what the verdict says of it. */
export function confirmedMeans({ winner, confirmed }: Verdict<TrialSummary>): readonly ConfirmedMean[] {
  const deviation = seedDeviation(confirmed);
  return confirmed.map(({ id, seeds, meanLoss: mean }) => {
    const error = mean === null || deviation === null ? null : deviation / Math.sqrt(seeds.length);
    const isWinner = id === winner?.trial.id;
    return { trial: id, seeds: seeds.length, mean, standardError: isWinner ? winner.standardError : error };
  });
}

/** What each tensor gets at one width. */
export interface WidthTable {
  readonly of: "proxy" | "target";
  readonly width: number;
  readonly layers: number;
  /** Whether the winner's hyperparameters stand in it, or a spec's values and defaults. */
  readonly isWinners: boolean;
  readonly table: TensorTable;
}

/** Tokens that bytes can be. */
const byteValues = 256;

/** How many tokens the data has, as far as the spec or results.json tells. */
function vocabularyOf({ data }: CompleteSpec, analysis: Results["analysis"] | undefined): number | undefined {
  // An untrained model's loss is the logarithm of it.
  if (analysis?.yardsticks !== undefined) return Math.round(Math.exp(analysis.yardsticks.uniform));
  if (typeof data.source === "object" && "vocab_size" in data.source) return data.source.vocab_size;
  return data.tokenizer === "bytes" ? byteValues : undefined;
}

/** Whether a model can have a width that some file states. */
const isWidth = (width: number | undefined, headDim: number): width is number => width !== undefined && width > 0 && width % headDim === 0;

/** The tables at the proxy's width and the target's; none while the vocabulary is unknown. */
export function widthTables(
  spec: CompleteSpec,
  winners: Hyperparameters | undefined,
  analysis: Results["analysis"] | undefined,
  targetWidth: number | undefined,
): readonly WidthTable[] {
  const vocabSize = vocabularyOf(spec, analysis);
  if (vocabSize === undefined) return [];
  const { proxy, target } = sizesOf(spec);
  const isWinners = winners !== undefined;
  const hyperparameters = completeHyperparameters(spec, { ...statedHyperparameters(spec), ...winners });
  const sizes = [
    { of: "proxy", size: proxy },
    { of: "target", size: { ...target, width: isWidth(targetWidth, spec.model.head_dim) ? targetWidth : target.width } },
  ] as const;
  return sizes.map(({ of, size }) => ({
    of,
    width: size.width,
    layers: size.layers,
    isWinners,
    table: tensorTable(modelConfig({ spec, dataset: { vocabSize } }, size), scaling(spec, size), hyperparameters),
  }));
}
