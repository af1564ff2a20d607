/** Which hyperparameters of a spec are learning rates, and which of them its trials say most of. */
import { isFree, sourceOf } from "../search/space.ts";
import type { Hyperparameters, RateName } from "../parametrization/roles.ts";
import type { CompleteSpec } from "./complete.ts";

/** What a spec is asked for its rates by. */
export type Rated = Pick<CompleteSpec, "train" | "search">;

/** The learning rates of every trial, that of hidden matrices first. */
export const ratesOf = ({ train }: Pick<Rated, "train">): readonly [RateName, ...RateName[]] =>
  train.optimizer.name === "muon" ? ["muon_learning_rate", "learning_rate"] : ["learning_rate"];

/** Hyperparameters with every learning rate multiplied, as a schedule does. */
export const timesRates = (spec: Pick<Rated, "train">, hyperparameters: Hyperparameters, factor: number): Hyperparameters => ({
  ...hyperparameters,
  ...Object.fromEntries(ratesOf(spec).map((name) => [name, factor * (hyperparameters[name] ?? NaN)])),
});

/** The hyperparameters that learning rates take their values from. */
export const rateSources = (spec: Rated): readonly string[] => ratesOf(spec).map((name) => sourceOf(spec.search.parameters, name));

/** The first of a spec's rates that is searched; undefined where none is. */
export const searchedRate = (spec: Rated): RateName | undefined =>
  ratesOf(spec).find((name) => isFree(spec.search.parameters[sourceOf(spec.search.parameters, name) as RateName] ?? { value: NaN }));
