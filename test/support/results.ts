/** Results files made of given trials, as a sweep would write them. */
import { makeHead } from "../../src/sweep/head.ts";
import type { Plan } from "../../src/spec/plan.ts";
import type { Environment } from "../../src/run/environment.ts";
import { parseResults, resultsText, type Results } from "../../src/run/results.ts";
import { summaryOf } from "../../src/run/state.ts";
import type { TrialResult } from "../../src/run/trial-result.ts";

export function resultsFileOf(plan: Plan, trials: readonly TrialResult[], environment: Environment): string {
  const summaries = trials.map((trial, index) => summaryOf(trial, { offset: index, bytes: 0 }));
  const head = makeHead(plan, summaries, environment);
  return [...resultsText(head, () => trials)].join("");
}

/** Unchecked, so that what is wrong on purpose can be made as well. */
export const resultsOf = (plan: Plan, trials: readonly TrialResult[], environment: Environment): Results =>
  JSON.parse(resultsFileOf(plan, trials, environment)) as Results;

export { parseResults };
