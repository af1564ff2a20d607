/** `mutransfer retry`: trains some trials of a run again, and then whatever else it lacks. */
import { resolve } from "node:path";
import { UserError, type ExitCode } from "../errors.ts";
import { reopenPlan } from "../spec/read.ts";
import type { Plan } from "../spec/plan.ts";
import { openRunFolder } from "../sweep/run-folder.ts";
import { Run } from "../sweep/run.ts";
import type { TrialSummary } from "../sweep/state.ts";
import { continueRun, type ContinueOptions } from "./continue.ts";
import { Engines } from "./engine.ts";
import { cacheFolder } from "./cache.ts";
import type { Terminal } from "./terminal.ts";

export interface RetryCommand extends ContinueOptions {
  readonly failed?: boolean;
  readonly diverged?: boolean;
}

export async function retry(
  folder: string,
  ids: readonly number[],
  options: RetryCommand,
  terminal: Terminal,
  version: string,
): Promise<ExitCode> {
  const say = (text: string): void => (options.quiet ? undefined : terminal.err(`${terminal.errStyle.dim(text)}\n`));
  const engines = new Engines(options, { say, now: () => terminal.now() });
  const run = Run.open(openRunFolder(folder));
  try {
    const plan = await planOf(run);
    const chosen = choose(run, ids, options, plan.spec.search.trials);
    if (chosen.length === 0) say("no trial is to be trained again");
    else run.again(chosen);
    return await continueRun({ run, plan, engines, options, terminal, version });
  } finally {
    engines.close(); // before anybody else may take the folder
    run.close();
  }
}

/** The plan that the run's own journal holds. */
async function planOf(of: Run): Promise<Plan> {
  const folder = of.folder.path;
  const { run, spec } = of.state;
  if (run === undefined || spec === undefined)
    throw new UserError({ code: "no_run", message: `${folder}: the run has not begun`, hint: "mutransfer sweep begins one" });
  const plan = await reopenPlan(spec, resolve(folder, run.environment.data_directory), cacheFolder());
  of.match({ spec, specHash: plan.specHash, data: plan.dataset }, false);
  return plan;
}

function choose(run: Run, ids: readonly number[], { failed, diverged }: RetryCommand, planned: number): readonly number[] {
  if (ids.length === 0 && !failed && !diverged)
    throw new UserError({ code: "nothing_to_retry", message: "no trials were named", hint: "give --failed, --diverged, or trial ids" });
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
