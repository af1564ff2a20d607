/**
 * `mutransfer sweep`: trains the proxies, shows how it goes, writes the run folder
 * and prints the ranking.
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { exitCodes, UserError, type ExitCode } from "../errors.ts";
import { jsonLine, jsonText } from "../report/json.ts";
import { renderNotes, resultNotes, setupNotes, specNotes } from "../report/notes.ts";
import { SweepProgress } from "../report/progress.ts";
import { renderSetup } from "../report/setup.ts";
import { renderRanking, renderVerdict, trialsCsv } from "../report/ranking.ts";
import type { Plan } from "../spec/plan.ts";
import { journalVersion, openJournal } from "../sweep/journal.ts";
import { makeResults, type Results } from "../sweep/results.ts";
import { makeRunDirectory, writeAtomically } from "../sweep/run-dir.ts";
import { rankTrials } from "../sweep/select.ts";
import type { Setup } from "../sweep/stacking.ts";
import { runSweep, type SweepEvent } from "../sweep/sweep.ts";
import { planTrials, stackJob, type Trial } from "../sweep/trials.ts";
import { WorkerUnavailable, type WorkerPool } from "../sweep/worker-pool.ts";
import { environmentOf } from "./environment.ts";
import { Engines, type EngineOptions } from "./engine.ts";
import { fieldsOf, openPlan } from "./files.ts";
import { checkMemory } from "./memory.ts";
import { Interrupted, untilSignal } from "./interrupt.ts";
import { printPlan } from "./plan.ts";
import type { Terminal } from "./terminal.ts";

export interface SweepCommand extends EngineOptions {
  readonly out?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly events?: "ndjson";
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

/** Messages for people, on stderr, unless they asked for quiet. */
function sayOf({ quiet }: SweepCommand, terminal: Terminal): (text: string) => void {
  return (text) => (quiet || text === "" ? undefined : terminal.err(`${text}\n`));
}

export async function sweep(file: string, options: SweepCommand, terminal: Terminal, version: string): Promise<ExitCode> {
  const say = sayOf(options, terminal);
  if (options.dryRun) return printPlan(await openPlan(file), options, terminal);
  say(terminal.errStyle.dim(`reading ${file}`));
  const engines = new Engines(options, { say: (text) => say(terminal.errStyle.dim(text)), now: () => terminal.now() });
  try {
    const [plan] = await Promise.all([openPlan(file), engines.warm()]);
    return await sweepWith(engines, plan, options, terminal, version);
  } finally {
    engines.close();
  }
}

async function sweepWith(engines: Engines, plan: Plan, options: SweepCommand, terminal: Terminal, version: string): Promise<ExitCode> {
  const say = sayOf(options, terminal);
  const folder = options.out ?? join("runs", plan.spec.name);
  say(renderNotes(specNotes(plan.spec), terminal.errStyle));
  makeRunDirectory(folder);
  try {
    const trials = planTrials(plan);
    checkMemory(stackJob(plan, trials.slice(0, 1), plan.spec.width.proxy, 1), "a proxy");
    const work = { plan, trials, width: plan.spec.width.proxy };
    const { setup, pool } = await untilSignal(() => engines.choose(work, folder));
    engines.remember(work, folder, setup);
    say(renderSetup(setup, options.verbose ?? false, terminal.errStyle));
    const halved = (stackSize: number): void =>
      engines.remember(work, folder, { ...setup, arrangement: { ...setup.arrangement, stackSize } });
    const results = await train(pool, plan, trials, setup, halved, folder, options, terminal, version);
    const path = join(folder, "results.json");
    const ranked = rankTrials(results.trials);
    writeAtomically(path, [jsonText(results)]);
    writeAtomically(join(folder, "trials.csv"), [trialsCsv(ranked)]);
    if (options.json) terminal.out(jsonText(results));
    else if (options.events) terminal.out(jsonLine({ event: "sweep_finished", best: results.best, cost: results.cost, results: path }));
    else terminal.out(`${renderRanking(ranked, terminal.outStyle)}\n\n${renderVerdict(results, path, terminal.outStyle)}\n`);
    say(renderNotes(resultNotes(results), terminal.errStyle));
    return results.best === null ? exitCodes.noSurvivor : exitCodes.ok;
  } catch (error) {
    if (error instanceof WorkerUnavailable)
      throw new UserError({ code: "engine_unavailable", message: error.message, hint: "--engine names another one" }, exitCodes.engine);
    if (!(error instanceof Interrupted)) throw error;
    const journal = join(folder, "journal.jsonl");
    say(
      existsSync(journal)
        ? `interrupted: finished trials are in ${journal}; the same command continues from there`
        : "interrupted before the first step",
    );
    return error.exitCode;
  }
}

async function train(
  pool: WorkerPool,
  plan: Plan,
  trials: readonly Trial[],
  setup: Setup,
  halved: (stackSize: number) => void,
  folder: string,
  options: SweepCommand,
  terminal: Terminal,
  version: string,
): Promise<Results> {
  sayOf(options, terminal)(renderNotes(setupNotes(plan.spec, setup), terminal.errStyle));
  const environment = environmentOf(plan, setup, resolve(folder), version);
  const journalPath = join(folder, "journal.jsonl");
  if (!existsSync(journalPath)) refuseOther(join(folder, "results.json"), plan);
  const journal = openJournal(journalPath, {
    version: journalVersion,
    name: plan.spec.name,
    spec_hash: plan.specHash,
    data_hash: plan.dataset.hash,
    engine: `${environment.engine}, ${setup.device.kind}`,
    mutransfer: version,
  });
  const progress = new SweepProgress(terminal.now());
  const emit = (event: SweepEvent): void => {
    if (options.events) terminal.out(jsonLine(event));
    if (event.event === "stack_halved") halved(event.size);
    const line = progress.apply(event, terminal.errStyle);
    if (line !== undefined && !options.quiet) terminal.err(`${line}\n`);
  };
  if (!options.quiet) terminal.live(progress);
  try {
    const results = await untilSignal(() => runSweep(plan, trials, setup.arrangement, { journal, pool, emit }));
    return makeResults(plan, results, environment);
  } finally {
    terminal.rest();
    journal.close();
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
