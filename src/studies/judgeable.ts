/**
 * The range of each hyperparameter in which a coordinate check of a few steps can judge: outside,
 * right rules too look broken, since a tensor saturates or hardly moves. Measured by
 * bench/calibration/coordinates.ts.
 */
import type { Substitute } from "../evidence/verdict.ts";
import type { CompleteHyperparameters, TransferableName } from "../parametrization/roles.ts";

/** Lowest and highest value; the learning rate has limits of its own, and weight decay is the check's. */
export const judgeable: { readonly [N in Exclude<TransferableName, "learning_rate">]: readonly [number, number] } = {
  init_std: [0.5, 4],
  embedding_std: [0.5, 4],
  input_multiplier: [0.5, 16],
  output_multiplier: [0.0625, 256],
  attention_multiplier: [0.25, 64],
};

/** How much of each range's unit is what it is where the readout is the embedding, whose weights are a readout's: see a spec's defaults. */
const tiedUnits = (base: number): Partial<Record<keyof typeof judgeable, number>> => ({
  embedding_std: 1 / Math.sqrt(base),
  input_multiplier: Math.sqrt(base),
});

/**
 * Hyperparameters at the nearest values at which flatness can be judged, and which of them are not the stated ones; `tiedBase` is the base
 * width of models whose readout is the embedding.
 */
export function withinRange(
  stated: CompleteHyperparameters,
  tiedBase?: number,
): {
  readonly hyperparameters: CompleteHyperparameters;
  readonly substitutes: readonly Substitute[];
} {
  const substitutes = (Object.keys(judgeable) as (keyof typeof judgeable)[]).flatMap((name): Substitute[] => {
    const unit = (tiedBase !== undefined && tiedUnits(tiedBase)[name]) || 1;
    const [low, high] = judgeable[name].map((bound) => Number((unit * bound).toPrecision(4)));
    const nearest = Math.min(high, Math.max(low, stated[name]));
    return nearest === stated[name] ? [] : [{ hyperparameter: name, stated: stated[name], judged_at: nearest }];
  });
  const nearer = Object.fromEntries(substitutes.map(({ hyperparameter, judged_at: at }) => [hyperparameter, at]));
  return { hyperparameters: { ...stated, ...nearer }, substitutes };
}
