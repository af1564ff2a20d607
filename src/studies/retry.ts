/** Trains some trials of a run again, and then whatever else it lacks, by the plan that its own journal holds. */
import { resolve } from "node:path";
import { option, UserError } from "../errors.ts";
import type { EngineOptions } from "../placement/engines.ts";
import { openRunFolder } from "../run/run-folder.ts";
import { Run } from "../run/run.ts";
import type { TrialSummary } from "../run/state.ts";
import type { Plan } from "../spec/plan.ts";
import { reopenPlan } from "../spec/read.ts";
import type { Interval } from "../workers/tasks.ts";
import { holding, withEngines, type Setting } from "./setting.ts";
import { finishRun, type FinishedSweep } from "./sweep.ts";

/** Which trials are trained again, and how. */
export interface RetryOptions extends EngineOptions {
  /** Trials by their ids. */
  readonly ids: readonly number[];
  /** Every trial that failed. */
  readonly failed?: boolean;
  /** Every trial that diverged. */
  readonly diverged?: boolean;
  readonly checkpoint: Interval;
}

/** Forgets how the trials ended and finishes the run; throws Stopped, or a UserError. */
export async function retry(folder: string, options: RetryOptions, setting: Setting): Promise<FinishedSweep> {
  return holding(Run.open(openRunFolder(folder)), (run) =>
    withEngines(options, setting, async (engines) => {
      const plan = await planOf(run, setting.host.cache);
      const chosen = choose(run, options, plan.spec.search.trials);
      if (chosen.length === 0) setting.emit({ event: "note", note: "no trial is to be trained again" });
      else run.again(chosen);
      return finishRun({ run, plan, engines, checkpoint: options.checkpoint, setting });
    }),
  );
}

/** The plan that the run's own journal holds. */
async function planOf(of: Run, cache: string): Promise<Plan> {
  const folder = of.folder.path;
  const { run, spec } = of.state;
  if (run === undefined || spec === undefined)
    throw new UserError({ code: "no_run", message: `${folder}: the run has not begun`, hint: "mutransfer sweep begins one" });
  const plan = await reopenPlan(spec, resolve(folder, run.environment.data_directory), cache);
  of.match({ spec, specHash: plan.specHash, data: plan.dataset }, false);
  return plan;
}

function choose(run: Run, { ids, failed, diverged }: RetryOptions, planned: number): readonly number[] {
  if (ids.length === 0 && !failed && !diverged)
    throw new UserError({
      code: "nothing_to_retry",
      message: "no trials were named",
      hint: `give ${option("failed")}, ${option("diverged")}, or trial ids`,
    });
  const unknown = ids.filter((id) => id >= planned);
  if (unknown.length > 0)
    throw new UserError({
      code: "no_such_trial",
      message: `there is no trial ${unknown.join(", ")}`,
      hint: `trials are 0 to ${planned - 1}`,
    });
  const wanted = ({ id, status }: TrialSummary): boolean =>
    ids.includes(id) || (failed === true && status === "failed") || (diverged === true && status === "diverged");
  return [...new Set(run.state.trials.filter(wanted).map(({ id }) => id))];
}
