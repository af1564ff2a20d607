/** A spec small enough that every example ends within seconds. It shows the calls, and nothing about transfer. */
import type { Spec } from "mutransfer";

export const spec = {
  name: "example",
  data: { source: "moby-dick", tokenizer: "characters" },
  model: { layers: 1, head_dim: 8, context: 32 },
  width: { base: 16, proxy: 16, target: 32 },
  train: { steps: 60, batch: 8, evaluate: { every: 20, batches: 2 } },
  search: {
    trials: 4,
    confirm: { top: 2, seeds: 2 },
    parameters: { learning_rate: { distribution: "log_uniform", min: 0.003, max: 0.3 } },
  },
} satisfies Spec;
