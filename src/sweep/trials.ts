/**
 * A sweep's trials, how they are packed into stacks, and the training job of a stack.
 */
import { baseHps, depthsOf, modelConfig, scaling, type Hyperparameters, type Plan } from "../spec/plan.ts";
import type { CompleteSpec } from "../spec/complete.ts";
import type { StackJob, TrainConfig } from "../training/train.ts";

export interface Trial {
  /** 0, 1, …: the position in the search method's sequence. */
  readonly id: number;
  /** Decides initial weights; all trials of a sweep share it, so that they differ in hyperparameters only. */
  readonly seed: number;
  readonly hyperparameters: Hyperparameters;
}

/** A training by what identifies it: a trial's first run, or one on a fresh seed. */
export type Member = Pick<Trial, "id" | "seed">;
export const memberKey = ({ id, seed }: Member): string => `${id}/${seed}`;

/** Consecutive trials, `size` to a stack. */
export function packTrials<T>(trials: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(trials.length / size) }, (_, index) => trials.slice(index * size, (index + 1) * size));
}

export function trainConfig({ train, search }: CompleteSpec): TrainConfig {
  const { optimizer, schedule, evaluate } = train;
  return {
    steps: train.steps,
    batch: train.batch,
    beta1: optimizer.beta1,
    beta2: optimizer.beta2,
    schedule,
    precision: train.precision,
    evaluateEvery: evaluate.every,
    // Whether a trial is stopped there or not: its curve does not depend on that.
    evaluateAt: search.early_stopping?.rungs ?? [],
    evaluationBatches: evaluate.batches,
  };
}

/** The training job of some trials at one width and depth (the proxies', unless given): a stack of proxies, or the target as a stack of one. */
export function stackJob(
  plan: Plan,
  trials: readonly Pick<Trial, "seed" | "hyperparameters">[],
  width: number,
  threads: number,
  layers = depthsOf(plan.spec).proxy,
): StackJob {
  const { spec, dataset } = plan;
  return {
    model: modelConfig(plan, width, layers),
    scaling: scaling(spec, width, layers),
    train: trainConfig(spec),
    lanes: trials.map(({ seed, hyperparameters }) => ({ seed, hps: baseHps(spec, hyperparameters) })),
    dataSeed: spec.seed,
    data: { train: dataset.train, validation: dataset.validation },
    threads,
  };
}
