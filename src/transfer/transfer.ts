/**
 * From a sweep's winner to the target run: the same hyperparameters, another
 * width, a stack of one. Makes the job and the record; trains and writes nothing.
 */
import { UserError } from "../errors.ts";
import { flopsPerStep, parameterCount } from "../model/config.ts";
import { transferable } from "../parametrization/roles.ts";
import { baseHps, depthsOf, modelConfig, scaling, type Plan } from "../spec/plan.ts";
import type { CompleteSpec } from "../spec/complete.ts";
import { curveRecord } from "../sweep/trial-result.ts";
import type { Environment } from "../sweep/environment.ts";
import type { Results } from "../sweep/results.ts";
import { stackJob } from "../sweep/trials.ts";
import { tensorTable, type TensorTable } from "../training/tensor-table.ts";
import type { Outcome } from "../training/outcome.ts";
import type { StackJob } from "../training/train.ts";

export const transferVersion = 1;

export interface Launch {
  readonly width: number;
  readonly seed: number;
  readonly hyperparameters: Readonly<Record<string, number>>;
  readonly job: StackJob;
}

/**
 * The target run of a sweep's winner: hyperparameters, seed and data order copied, only the width differs.
 * Throws a UserError when the winner lacks a hyperparameter.
 */
export function planLaunch(plan: Plan, results: Results, best: NonNullable<Results["best"]>, width: number, threads: number): Launch {
  const { hyperparameters } = best;
  const missing = Object.keys(transferable).filter((name) => !Object.hasOwn(hyperparameters, name));
  if (missing.length > 0)
    throw new UserError({
      code: "results_format",
      message: `the winner of these results has no ${missing.join(", ")}`,
      hint: "the file was changed or cut: run the sweep again",
    });
  const seed = results.trials.find(({ id }) => id === best.trial)?.seed ?? plan.spec.seed;
  return { width, seed, hyperparameters, job: stackJob(plan, [{ seed, hyperparameters }], width, threads, depthsOf(plan.spec).target) };
}

/** The per-tensor values the launch uses. */
export function launchTable(plan: Plan, { width, hyperparameters }: Pick<Launch, "width" | "hyperparameters">): TensorTable {
  const { target } = depthsOf(plan.spec);
  return tensorTable(modelConfig(plan, width, target), scaling(plan.spec, width, target), baseHps(plan.spec, hyperparameters));
}

/** The content of transfer.json. */
export function transferRecord(
  plan: Plan,
  results: Results,
  best: NonNullable<Results["best"]>,
  launch: Launch,
  outcome: Outcome,
  environment: Environment,
  predictedLoss: number | null,
): object {
  const model = launch.job.model;
  return {
    version: transferVersion,
    name: results.name,
    spec_hash: results.spec_hash,
    results_digest: results.digest,
    trial: best.trial,
    hyperparameters: launch.hyperparameters,
    seed: launch.seed,
    width: launch.width,
    proxy_width: plan.spec.width.proxy,
    parameters: parameterCount(model),
    flops: outcome.steps * flopsPerStep(model, plan.spec.train.batch),
    status: outcome.status,
    validation_loss: outcome.validationLoss,
    proxy_validation_loss: best.validation_loss,
    /** By the pre-launch check, before the first step. */
    predicted_validation_loss: predictedLoss,
    curve: curveRecord(outcome.curve),
    ...launchTable(plan, launch),
    environment,
  };
}

/** Metadata of weights.safetensors: what is needed to run the weights elsewhere. Weights are [fan_in, fan_out]. */
export function weightsMetadata(plan: Plan, launch: Launch): Readonly<Record<string, string>> {
  const { spec } = plan;
  const table = launchTable(plan, launch);
  const multiplier = (role: string): number => table.tensors.find((tensor) => tensor.role === role)?.multiplier ?? 1;
  const forward = {
    input_multiplier: multiplier("embedding"),
    attention_scale: table.attention_scale,
    ...(table.residual_multiplier !== undefined && { residual_multiplier: table.residual_multiplier }),
    output_multiplier: multiplier("readout"),
  };
  const model: CompleteSpec["model"] & { width: number; vocab_size: number } = {
    ...spec.model,
    layers: launch.job.model.layers,
    width: launch.width,
    vocab_size: plan.dataset.vocabSize,
  };
  return {
    format: "mutransfer",
    layout: "x·W, weights [fan_in, fan_out]; head h is columns h·head_dim and on",
    architecture: JSON.stringify({
      norm: "layer norm before attention, MLP and readout",
      norm_epsilon: 1e-5,
      activation: "gelu, tanh form",
    }),
    tokenizer: JSON.stringify({
      name: spec.data.tokenizer ?? null,
      ...(plan.dataset.alphabet !== undefined && { characters: plan.dataset.alphabet }),
    }),
    data_hash: plan.dataset.hash,
    model: JSON.stringify(model),
    forward: JSON.stringify(forward),
    hyperparameters: JSON.stringify(launch.hyperparameters),
    parametrization: spec.parametrization,
    spec_hash: plan.specHash,
  };
}
