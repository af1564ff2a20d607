/** From a plan to what is trained: the training of some sets of hyperparameters at one size, as plain data. */
import type { Size } from "../model/config.ts";
import type { Hyperparameters } from "../parametrization/roles.ts";
import type { Training, TrainConfig } from "../training/train.ts";
import type { CompleteSpec } from "./complete.ts";
import { completeHyperparameters, modelConfig, scaling, type Plan } from "./plan.ts";

/** How every model of a spec is trained. */
export function trainConfig({ train, search }: CompleteSpec): TrainConfig {
  const { optimizer, schedule, evaluate } = train;
  return {
    steps: train.steps,
    batch: train.batch,
    beta1: optimizer.beta1,
    beta2: optimizer.beta2,
    schedule,
    ...(optimizer.momentum !== undefined && { muonMomentum: optimizer.momentum }),
    ...(train.clip !== undefined && { clip: train.clip }),
    ...(train.z_loss !== undefined && { zLoss: train.z_loss }),
    precision: train.precision,
    evaluateEvery: evaluate.every,
    // Whether a trial is stopped there or not: its curve does not depend on that.
    evaluateAt: search.early_stopping?.rungs ?? [],
    evaluationBatches: evaluate.batches,
  };
}

/** One model of a stack: what it is tried with, and the seed of its initial weights. */
export interface Tried {
  readonly seed: number;
  readonly hyperparameters: Hyperparameters;
}

/** The training of models of one size together: a stack of proxies, or the target as a stack of one. */
export function trainingOf(plan: Plan, models: readonly Tried[], size: Size, threads: number): Training {
  const { spec, dataset } = plan;
  return {
    model: modelConfig(plan, size),
    scaling: scaling(spec, size),
    train: trainConfig(spec),
    lanes: models.map(({ seed, hyperparameters }) => ({ seed, hyperparameters: completeHyperparameters(spec, hyperparameters) })),
    dataSeed: spec.seed,
    data: { train: dataset.train, validation: dataset.validation },
    threads,
  };
}
