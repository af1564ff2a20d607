/** What every model of a spec is made of and how it is trained, in the spec's own words and with nothing left out: what plans and tables show. */
import { architectureOf, type Architecture } from "./architecture.ts";
import type { CompleteSpec } from "./complete.ts";

/** An architecture, an optimizer and a schedule. */
export interface Recipe {
  readonly model: Omit<Architecture, "rope_theta"> & { readonly rope_theta?: number; readonly head_dim: number; readonly context: number };
  readonly optimizer: CompleteSpec["train"]["optimizer"];
  readonly schedule: CompleteSpec["train"]["schedule"];
  /** Null where gradients are not clipped. */
  readonly clip: number | null;
  /** Null where the loss is the cross-entropy alone. */
  readonly z_loss: number | null;
}

/** The recipe of a spec. */
export function recipeOf({ model, train }: CompleteSpec): Recipe {
  const { rope_theta, ...architecture } = architectureOf(model);
  return {
    model: {
      ...architecture,
      ...(architecture.positions === "rope" && { rope_theta }),
      ...{ head_dim: model.head_dim, context: model.context },
    },
    optimizer: train.optimizer,
    schedule: train.schedule,
    clip: train.clip ?? null,
    z_loss: train.z_loss ?? null,
  };
}
