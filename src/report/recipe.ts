/** What models are made of and how they are trained, as a sentence. */
import { valueOf } from "../numbers.ts";
import type { Recipe } from "../spec/recipe.ts";

const norms: { readonly [N in Recipe["model"]["norm"]]: string } = { layer_norm: "layer norms", rms_norm: "RMS norms" };
const mlps: { readonly [M in Recipe["model"]["mlp"]]: string } = { gelu: "GELU", swiglu: "SwiGLU", relu2: "squared ReLU" };
const schedules: { readonly [S in Recipe["schedule"]["name"]]: (schedule: Recipe["schedule"]) => string } = {
  constant: () => "a constant rate",
  linear: () => "a linear decay",
  cosine: () => "a cosine decay",
  wsd: ({ decay = 0 }) => `a rate that falls over the last ${valueOf(decay)} of the steps`,
};

/** The blocks of a model. */
function blocksText({ model }: Recipe): string {
  const positions = model.positions === "rope" ? `rotary positions (theta ${model.rope_theta})` : "learned positions";
  return [
    norms[model.norm],
    positions,
    `${mlps[model.mlp]} of ${valueOf(model.mlp_ratio)} × the width`,
    `heads of ${model.head_dim}`,
    ...(model.queries_per_kv > 1 ? [`${model.queries_per_kv} of queries for each of keys and values`] : []),
    ...(model.qk_norm ? ["norms of queries and keys"] : []),
    ...(model.tied_embeddings ? ["tied embeddings"] : []),
    ...(model.biases ? ["biases"] : []),
  ].join(", ");
}

/** Two sentences: what blocks are made of, and how they are trained. */
export function recipeText(recipe: Recipe): string {
  const { optimizer, schedule, clip, z_loss: zLoss } = recipe;
  const training = [
    optimizer.name === "muon" ? "Muon for hidden matrices and AdamW for the rest" : "AdamW",
    schedules[schedule.name](schedule),
    ...(clip === null ? [] : [`gradients clipped at ${valueOf(clip)}`]),
    ...(zLoss === null ? [] : [`a z-loss of ${valueOf(zLoss)}`]),
  ].join(", ");
  return `blocks: ${blocksText(recipe)}; trained by ${training}`;
}
