/**
 * What speaks against a launch: edges of what was tried, and what the check before it has found. A launch that is forced
 * overrules them, and they are told all the same.
 */
import { option, UserError } from "../errors.ts";
import type { Prelaunch } from "../evidence/records.ts";
import { valueOf } from "../numbers.ts";
import type { HyperparameterName } from "../parametrization/roles.ts";
import { edgeMatters, type Results } from "../run/results.ts";
import type { Setting } from "./setting.ts";

/** What the winner's edges say: those that matter stop the launch, unless that is what is wanted; the others are told. */
export function heedEdges({ edges, hyperparameters }: NonNullable<Results["best"]>, force: boolean, { emit }: Setting): void {
  const said = edges.map((edge) => {
    const { hyperparameter, side, bound } = edge;
    const value = hyperparameters[hyperparameter as HyperparameterName];
    const shown = value === undefined ? hyperparameter : `${hyperparameter} ${valueOf(value)}`;
    return { edge, where: `the winner's ${shown} lies at the ${side} edge of its range (${bound})`, matters: edgeMatters(edge) };
  });
  for (const { where } of said.filter(({ matters }) => !matters))
    emit({ event: "note", note: `${where}; the trials do not show that it owes that more than a seed changes` });
  const against = said
    .filter(({ matters }) => matters)
    .map(({ edge: { side, extend_to: extendTo }, where }) => ({
      code: "optimum_at_edge",
      message: `${where}: the optimum may be beyond it`,
      hint: `sweep again ${side === "lower" ? "down" : "up"} to ${valueOf(extendTo)}, or give ${option("force")} to launch all the same`,
    }));
  if (against.length === 0) return;
  if (!force) throw new UserError(against, "noSurvivor");
  emit({ event: "objections_overruled", objections: against.map(({ message }) => message) });
}

/** What the pre-launch check has found stops the launch, unless that is what is wanted. */
export function heedObjections({ objections }: Prelaunch, force: boolean, { emit }: Setting): void {
  if (objections.length === 0) return;
  if (force) return emit({ event: "objections_overruled", objections });
  throw new UserError(
    {
      code: "prelaunch_failed",
      message: `not launched: ${objections.join("; ")}`,
      hint: `sweep again with wider proxies or another range; ${option("force")} launches all the same`,
    },
    "noSurvivor",
  );
}
