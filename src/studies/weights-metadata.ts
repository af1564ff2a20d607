/** Metadata of weights.safetensors: what is needed to run the weights elsewhere. Weights are [fan_in, fan_out]. */
import { normEpsilon } from "../program/ops.ts";
import type { CompleteSpec } from "../spec/complete.ts";
import type { Plan } from "../spec/plan.ts";
import { recipeOf, type Recipe } from "../spec/recipe.ts";
import { launchTable, type Launch } from "./launch.ts";

const norms: { readonly [N in Recipe["model"]["norm"]]: string } = { layer_norm: "layer norm", rms_norm: "RMS norm" };
const activations: { readonly [M in Recipe["model"]["mlp"]]: string } = {
  gelu: "gelu, tanh form",
  swiglu: "silu(gate) times up",
  relu2: "max(x, 0) squared",
};

/** What a model computes, as far as its tensors' names do not say it. */
function architectureText({ model }: Recipe): Readonly<Record<string, string | number>> {
  return {
    norm: `${norms[model.norm]} before attention, MLP and readout`,
    norm_epsilon: normEpsilon,
    activation: activations[model.mlp],
    ...(model.qk_norm && { qk_norm: "RMS norm of each head of queries and keys, times its gain" }),
    ...(model.rope_theta !== undefined && {
      positions: "of queries and keys, after their norms: at position t the pair (j, j + head_dim/2) turns by t·rope_theta^(−2j/head_dim)",
      rope_theta: model.rope_theta,
    }),
    ...(model.queries_per_kv > 1 && { keys_and_values: `head h of queries has those of head ⌊h/${model.queries_per_kv}⌋` }),
    ...(model.tied_embeddings && { readout: "token_embedding, transposed" }),
  };
}

/** The metadata of a target's weights. */
export function weightsMetadata(plan: Plan, launch: Launch): Readonly<Record<string, string>> {
  const { spec } = plan;
  const table = launchTable(plan, launch);
  const multiplier = (role: string): number => table.tensors.find((tensor) => tensor.role === role)?.multiplier ?? 1;
  const forward = {
    input_multiplier: multiplier("embedding"),
    attention_scale: table.attention_scale,
    ...(table.residual_multiplier !== undefined && { residual_multiplier: table.residual_multiplier }),
    output_multiplier: table.output_multiplier ?? multiplier("readout"),
  };
  const model: CompleteSpec["model"] & { width: number; vocab_size: number } = {
    ...spec.model,
    layers: launch.training.model.layers,
    width: launch.size.width,
    vocab_size: plan.dataset.vocabSize,
  };
  return {
    format: "mutransfer",
    layout: "x·W, weights [fan_in, fan_out]; head h is columns h·head_dim and on",
    architecture: JSON.stringify(architectureText(recipeOf(spec))),
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
