/**
 * `mutransfer sweep`: trains the proxies of a spec, in a folder of its own or on from
 * where an earlier process has left it.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { exitCodes, UserError, type ExitCode } from "../errors.ts";
import type { Plan } from "../spec/plan.ts";
import { Run } from "../sweep/run.ts";
import { continueRun, type ContinueOptions } from "./continue.ts";
import { Engines } from "./engine.ts";
import { fieldsOf, openPlan, self } from "./files.ts";
import { printPlan } from "./plan.ts";
import type { Terminal } from "./terminal.ts";

export interface SweepCommand extends ContinueOptions {
  readonly out?: string;
  readonly extend?: boolean;
  readonly dryRun?: boolean;
}

export async function sweep(file: string, options: SweepCommand, terminal: Terminal, version: string): Promise<ExitCode> {
  if (options.dryRun) return printPlan(await openPlan(file), options, terminal);
  const say = (text: string): void => (options.quiet ? undefined : terminal.err(`${terminal.errStyle.dim(text)}\n`));
  say(`reading ${file}`);
  const engines = new Engines(options, { say, now: () => terminal.now() });
  try {
    const [plan] = await Promise.all([openPlan(file), engines.warm()]);
    const folder = options.out ?? join("runs", plan.spec.name);
    const run = Run.open(folder, self);
    try {
      if (run.state.run === undefined) refuseOther(join(folder, "results.json"), plan);
      run.match({ spec: plan.spec, specHash: plan.specHash, data: plan.dataset }, options.extend ?? false);
      return await continueRun({ run, plan, engines, options, terminal, version });
    } finally {
      run.close();
    }
  } finally {
    engines.close();
  }
}

/** Results of another sweep are not overwritten although their journal is gone; a journal is checked when it is opened. */
function refuseOther(path: string, plan: Plan): void {
  if (!existsSync(path)) return;
  if (fieldsOf(path)["spec_hash"] === plan.specHash) return;
  throw new UserError(
    {
      code: "other_results",
      message: `${path} holds the results of another sweep`,
      hint: "give another folder with --out, or move that file away",
    },
    exitCodes.disagreement,
  );
}
