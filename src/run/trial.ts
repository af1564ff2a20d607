/** A trial of a sweep, and a training by what identifies it. */
import type { Hyperparameters } from "../parametrization/roles.ts";

/** One point that a sweep tries, and the seed of one of its trainings. */
export interface Trial {
  /** 0, 1, …: the position in the search method's sequence. */
  readonly id: number;
  /** Decides initial weights; all trials of a sweep share it, so that they differ in hyperparameters only. */
  readonly seed: number;
  readonly hyperparameters: Hyperparameters;
}

/** A training by what identifies it: a trial's first run, or one on a fresh seed. */
export type Member = Pick<Trial, "id" | "seed">;
/** What a training is looked up by. */
export const memberKey = ({ id, seed }: Member): string => `${id}/${seed}`;
