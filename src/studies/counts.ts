/**
 * What a sweep and its target will cost, as far as it can be counted: of the spec alone,
 * before any engine is opened. What is timed is forecast.ts's business.
 */
import type { Size } from "../model/config.ts";
import { flopsPerStep, muonFlops, parameterCount } from "../model/counts.ts";
import { stateBytes } from "../placement/memory.ts";
import { sizesOf, type Plan } from "../spec/plan.ts";
import { recipeOf, type Recipe } from "../spec/recipe.ts";
import { trainingOf } from "../spec/training.ts";
import { mostRaced, openingTrials, plannedWork } from "../sweep/agenda.ts";
import { checkpointBytes } from "../training/checkpoint.ts";
import type { Training } from "../training/train.ts";

/** What is known by counting of one of the two parts of a run: all proxies, or the target. */
export interface Counted extends Size {
  readonly models: number;
  /** Trained numbers of one model. */
  readonly parameters: number;
  /** What training all models to their ends takes. */
  readonly flops: number;
  /** What Muon's own products take besides, whatever the batch; absent without Muon. */
  readonly muonFlops?: number;
  /** Weights of one model and what its optimizer keeps of them; gradients and activations come on top, as the engine has them. */
  readonly stateBytes: number;
  /** What checkpoints of one model that is being trained need on disk. */
  readonly modelCheckpointBytes: number;
}

/** What racing may add at most to the proxies, which are counted without: trainings of the best on further seeds. */
export interface Raced {
  readonly models: number;
  readonly flops: number;
}

/** What is known of a sweep and its target by counting. */
export interface PlanCounts {
  readonly name: string;
  /** What every model is made of, and how it is trained, with nothing left to a preset or a default. */
  readonly recipe: Recipe;
  readonly method: string;
  readonly trials: number;
  /** Trainings of the best on fresh seeds, without those that racing may add. */
  readonly confirmations: number;
  readonly racing: Raced;
  readonly steps: number;
  readonly tokensPerStep: number;
  readonly proxies: Counted;
  readonly target: Counted;
}

/** The last two checkpoints of each training, and one more while it is written. */
export const checkpointsKept = 3;

/** The training of one model. */
export const oneOf = (plan: Plan, size: Size, threads = 1): Training =>
  trainingOf(plan, openingTrials(plan.spec).slice(0, 1), size, threads);

/** What a sweep and its target will cost, as far as it can be counted. */
export function countPlan(plan: Plan): PlanCounts {
  const { spec } = plan;
  const { train } = spec;
  const { proxy, target } = sizesOf(spec);
  const { trainings, trialSteps } = plannedWork(spec);
  const { rounds, perRound } = mostRaced(spec);
  const raced = rounds * perRound;
  const count = (size: Size, models: number, modelSteps: number): Counted => {
    const one = oneOf(plan, size);
    const { model } = one;
    return {
      width: model.width,
      layers: model.layers,
      models,
      parameters: parameterCount(model),
      flops: modelSteps * flopsPerStep(model, train.batch),
      ...(train.optimizer.name === "muon" && { muonFlops: modelSteps * muonFlops(model) }),
      stateBytes: stateBytes(one),
      modelCheckpointBytes: checkpointsKept * checkpointBytes(one),
    };
  };
  return {
    name: spec.name,
    recipe: recipeOf(spec),
    method: spec.search.method,
    trials: spec.search.trials,
    confirmations: trainings - spec.search.trials,
    racing: { models: raced, flops: raced * train.steps * flopsPerStep(oneOf(plan, proxy).model, train.batch) },
    steps: train.steps,
    tokensPerStep: train.batch * spec.model.context,
    proxies: count(proxy, trainings, trialSteps),
    target: count(target, 1, train.steps),
  };
}
