/**
 * How large the numbers of a spec and of a command line may be: beyond everything that people train, and
 * small enough that counting, planning and estimating stay quick. Whether a machine can train it is another question.
 */
export const bounds = {
  layers: 1024,
  width: 2 ** 17,
  context: 2 ** 20,
  mlpRatio: 256,
  vocabulary: 2 ** 20,
  steps: 1e9,
  batch: 2 ** 20,
  /** Tokens of a step: batch × context. */
  stepTokens: 2 ** 22,
  /** Tokens of an evaluation, which are kept in memory: batches × batch × context. */
  evaluationTokens: 2 ** 26,
  /** A hyperparameter that is not 0, in a spec as it is written. */
  hyperparameter: { least: 1e-30, most: 1e30 },
  /** The norm that gradients are clipped to: with less, each of them is below the usual ε of AdamW. */
  clip: { least: 1e-6, most: 1e30 },
  /** Points of a loss curve: steps ÷ evaluate.every. */
  evaluations: 100_000,
  /** Trials of a sweep, and likewise trainings that confirm. */
  trials: 100_000,
  seeds: 100,
  /** Processes that train at the same time. */
  jobs: 1024,
  /** Steps of a coordinate check. */
  checkSteps: 10_000,
} as const;
