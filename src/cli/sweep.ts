/**
 * `mutransfer sweep`: trains the proxies of a spec, in a folder of its own or on from
 * where an earlier process has left it.
 */
import { join } from "node:path";
import { exitCodes, UserError, type ExitCode } from "../errors.ts";
import type { Plan } from "../spec/plan.ts";
import type { OpenFolder } from "../sweep/open-folder.ts";
import { makeRunFolder, runFiles } from "../sweep/run-folder.ts";
import { Run } from "../sweep/run.ts";
import { continueRun, type ContinueOptions } from "./continue.ts";
import { Engines } from "./engine.ts";
import { fieldsOf, openPlan } from "./files.ts";
import { checkProxy } from "./memory.ts";
import { printPlan } from "./plan.ts";
import type { Terminal } from "./terminal.ts";

export interface SweepCommand extends ContinueOptions {
  readonly out?: string;
  readonly extend?: boolean;
  readonly dryRun?: boolean;
}

export async function sweep(file: string, options: SweepCommand, terminal: Terminal, version: string): Promise<ExitCode> {
  if (options.dryRun) return printPlan(await openPlan(file, checkProxy), options, terminal);
  const say = (text: string): void => (options.quiet ? undefined : terminal.err(`${terminal.errStyle.dim(text)}\n`));
  say(`reading ${file}`);
  const engines = new Engines(options, { say, now: () => terminal.now() });
  try {
    const [plan] = await Promise.all([openPlan(file, checkProxy), engines.warm()]);
    const folder = makeRunFolder(options.out ?? join("runs", plan.spec.name));
    const run = Run.open(folder);
    try {
      if (run.state.run === undefined) refuseOther(folder, plan);
      run.match({ spec: plan.spec, specHash: plan.specHash, data: plan.dataset }, options.extend ?? false);
      return await continueRun({ run, plan, engines, options, terminal, version });
    } finally {
      engines.close(); // before anybody else may take the folder
      run.close();
    }
  } finally {
    engines.close();
  }
}

/** Results of another sweep are not overwritten although their journal is gone; a journal is checked when it is opened. */
function refuseOther(folder: OpenFolder, plan: Plan): void {
  if (!folder.has(runFiles.results) || fieldsOf(folder, runFiles.results)["spec_hash"] === plan.specHash) return;
  throw new UserError(
    {
      code: "other_results",
      message: `${join(folder.path, runFiles.results)} holds the results of another sweep`,
      hint: "give another folder with --out, or move that file away",
    },
    exitCodes.disagreement,
  );
}
