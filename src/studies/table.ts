/** What each tensor gets at one width: the parametrization's answer for a plan, with searched hyperparameters at their defaults. */
import type { Size } from "../model/config.ts";
import type { HyperparameterName, Hyperparameters } from "../parametrization/roles.ts";
import { completeHyperparameters, modelConfig, scaling, sizesOf, statedHyperparameters, type Plan } from "../spec/plan.ts";
import { recipeOf, type Recipe } from "../spec/recipe.ts";
import { isFree } from "../search/space.ts";
import { checkWidth } from "../spec/width.ts";
import { tensorTable, type TensorTable } from "../training/tensor-table.ts";

/** What each tensor gets at one width, and at which hyperparameters. */
export interface PlanTable {
  readonly size: Size;
  readonly base: Size;
  readonly hyperparameters: Hyperparameters;
  /** Those of them that are searched, and stand here at their defaults. */
  readonly searched: readonly HyperparameterName[];
  readonly recipe: Recipe;
  readonly tensors: TensorTable;
}

/** The table of a plan at a width, which is the target's unless given; throws a UserError when the model cannot have it. */
export function tableOf(plan: Plan, width = plan.spec.width.target): PlanTable {
  const { spec } = plan;
  checkWidth(spec, width);
  const { base, target } = sizesOf(spec);
  const size = { ...target, width };
  const hyperparameters = statedHyperparameters(spec);
  const names = Object.keys(hyperparameters) as (keyof typeof hyperparameters)[];
  return {
    ...{ size, base, hyperparameters },
    recipe: recipeOf(spec),
    searched: names.filter((name) => isFree(spec.search.parameters[name] ?? { value: NaN })),
    tensors: tensorTable(modelConfig(plan, size), scaling(spec, size), completeHyperparameters(spec, hyperparameters)),
  };
}
