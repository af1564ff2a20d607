/**
 * From a sweep's winner to the target run: the same hyperparameters, another
 * width, a stack of one. Makes the training and the record; trains and writes nothing.
 */
import { UserError } from "../errors.ts";
import type { Prelaunch } from "../evidence/records.ts";
import type { TargetVerdict } from "../evidence/target.ts";
import type { Mlp, Size } from "../model/config.ts";
import { flopsPerStep, parameterCount } from "../model/counts.ts";
import { doesTransfer, type Hyperparameters } from "../parametrization/roles.ts";
import { normEpsilon } from "../program/ops.ts";
import type { Environment } from "../run/environment.ts";
import type { Results } from "../run/results.ts";
import type { TransferRecord } from "../run/transfer-record.ts";
import { curveRecord } from "../run/trial-result.ts";
import { architectureOf } from "../spec/architecture.ts";
import type { CompleteSpec } from "../spec/complete.ts";
import { completeHyperparameters, modelConfig, scaling, type Plan } from "../spec/plan.ts";
import { trainingOf } from "../spec/training.ts";
import type { Generalization } from "../sweep/generalization.ts";
import { forwardMultipliers } from "../training/initialize.ts";
import type { Outcome } from "../training/outcome.ts";
import { tensorTable, type TensorTable } from "../training/tensor-table.ts";
import type { Training } from "../training/train.ts";

const transferVersion = 1;

/** The target run of a sweep's winner. */
export interface Launch {
  readonly size: Size;
  readonly seed: number;
  readonly hyperparameters: Hyperparameters;
  readonly training: Training;
  readonly parameters: number;
}

/**
 * The target run of a sweep's winner: hyperparameters, seed and data order copied, only the width differs.
 * Throws a UserError when the winner lacks a hyperparameter.
 */
export function planLaunch(plan: Plan, results: Results, best: NonNullable<Results["best"]>, size: Size, threads: number): Launch {
  const { hyperparameters } = best;
  const wanted = Object.keys(plan.spec.search.parameters).filter(doesTransfer);
  const missing = wanted.filter((name) => !Object.hasOwn(hyperparameters, name));
  if (missing.length > 0)
    throw new UserError({
      code: "results_format",
      message: `the winner of these results has no ${missing.join(", ")}`,
      hint: "the file was changed or cut: run the sweep again",
    });
  const seed = results.trials.find(({ id }) => id === best.trial)?.seed ?? plan.spec.seed;
  const training = trainingOf(plan, [{ seed, hyperparameters }], size, threads);
  return { size, seed, hyperparameters, training, parameters: parameterCount(training.model) };
}

/** The per-tensor values the launch uses. */
export function launchTable(plan: Plan, { size, hyperparameters }: Pick<Launch, "size" | "hyperparameters">): TensorTable {
  return tensorTable(modelConfig(plan, size), scaling(plan.spec, size), completeHyperparameters(plan.spec, hyperparameters));
}

/** How a target has ended. */
export interface LaunchEnd {
  /** Judged by what an untrained model loses. */
  readonly outcome: Outcome;
  /** The last loss that was measured, in nats, also of a target that is worse than untrained; null when it was none. */
  readonly finalNats: number | null;
  /** What an untrained model loses, in nats. */
  readonly untrainedNats: number;
  readonly verdict: TargetVerdict;
  readonly prediction: Prelaunch["prediction"];
  /** How far its loss can be taken for more than its text. */
  readonly generalization: Generalization;
}

/** The content of transfer.json: what others may rely on, and more. */
export interface TransferContent extends TransferRecord, TensorTable {
  readonly name: string;
  readonly results_digest: string;
  readonly seed: number;
  readonly flops: number;
  /** By how much the target may be above the proxy for seeds to explain it, in nats. */
  readonly margin: number;
  readonly predicted_validation_loss: number | null;
  readonly environment: Environment;
}

/** The content of transfer.json. */
export function transferRecord(
  plan: Plan,
  results: Results,
  best: NonNullable<Results["best"]>,
  launch: Launch,
  { outcome, verdict, untrainedNats, prediction }: LaunchEnd,
  environment: Environment,
): TransferContent {
  const { status } = outcome;
  if (status === "stopped") throw new Error("transferRecord: the target has not come to its end");
  const model = launch.training.model;
  return {
    version: transferVersion,
    name: results.name,
    spec_hash: results.spec_hash,
    results_digest: results.digest,
    trial: best.trial,
    hyperparameters: launch.hyperparameters,
    seed: launch.seed,
    width: launch.size.width,
    proxy_width: plan.spec.width.proxy,
    parameters: launch.parameters,
    flops: outcome.steps * flopsPerStep(model, plan.spec.train.batch),
    status,
    verdict: verdict.word,
    reasons: [...verdict.reasons],
    validation_loss: outcome.validationLoss,
    proxy_validation_loss: best.validation_loss,
    /** What seeds explain of a difference between the two. */
    margin: verdict.marginNats,
    untrained_validation_loss: untrainedNats,
    /** By the pre-launch check, before the first step. */
    predicted_validation_loss: prediction?.validation_loss ?? null,
    curve: curveRecord(outcome.curve),
    ...launchTable(plan, launch),
    environment,
  };
}

const activations: { readonly [M in Mlp]: string } = { gelu: "gelu, tanh form", swiglu: "silu(gate) times up", relu2: "max(x, 0) squared" };

/** Metadata of weights.safetensors: what is needed to run the weights elsewhere. Weights are [fan_in, fan_out]. */
export function weightsMetadata(plan: Plan, launch: Launch): Readonly<Record<string, string>> {
  const { spec } = plan;
  const table = launchTable(plan, launch);
  const { scaling: scales } = launch.training;
  const all = forwardMultipliers(completeHyperparameters(spec, launch.hyperparameters), scales);
  const { input_multiplier, attention_scale, residual_multiplier, output_multiplier } = all;
  const forward = {
    ...{ input_multiplier, attention_scale },
    ...(table.residual_multiplier !== undefined && { residual_multiplier }),
    output_multiplier,
  };
  const { norm, mlp } = architectureOf(spec.model);
  const model: CompleteSpec["model"] & { width: number; vocab_size: number } = {
    ...spec.model,
    layers: launch.training.model.layers,
    width: launch.size.width,
    vocab_size: plan.dataset.vocabSize,
  };
  return {
    format: "mutransfer",
    layout: "x·W, weights [fan_in, fan_out]; head h is columns h·head_dim and on",
    architecture: JSON.stringify({
      norm: `${norm === "layer_norm" ? "layer" : "RMS"} norm before attention, MLP and readout`,
      norm_epsilon: normEpsilon,
      activation: activations[mlp],
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
