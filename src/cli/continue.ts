/**
 * Trains what a run still lacks, shows how it goes, writes its results and prints the
 * ranking: what `sweep` and `retry` have in common.
 */
import { join, resolve } from "node:path";
import { exitCodes, UserError, type ExitCode } from "../errors.ts";
import { jsonLine } from "../report/json.ts";
import { dataNotes, passNotes, renderNotes, resultNotes, setupNotes, specNotes } from "../report/notes.ts";
import { SweepProgress } from "../report/progress.ts";
import { renderRanking, renderVerdict, shownTrials, trialsCsv } from "../report/ranking.ts";
import { renderSetup } from "../report/setup.ts";
import type { Plan } from "../spec/plan.ts";
import { Agenda, openingTrials } from "../sweep/agenda.ts";
import { cleanCheckpoints } from "../sweep/checkpoints.ts";
import { generalizationOf, passesOf } from "../sweep/generalization.ts";
import { journalVersion } from "../sweep/records.ts";
import { makeHead, resultsText, type ResultsHead } from "../sweep/results.ts";
import type { Run } from "../sweep/run.ts";
import { runFiles } from "../sweep/run-folder.ts";
import { standings } from "../sweep/select.ts";
import type { Setup } from "../sweep/stacking.ts";
import type { TrialSummary } from "../sweep/state.ts";
import { runSweep, TooManyFailures, type SweepEvent } from "../sweep/sweep.ts";
import type { TrialResult } from "../sweep/trial-result.ts";
import { stackJob } from "../sweep/trials.ts";
import { WorkerFailed, WorkerUnavailable, type Interval, type WorkerPool } from "../sweep/worker-pool.ts";
import type { Engines, EngineOptions } from "./engine.ts";
import type { Work } from "./engine-timing.ts";
import { environmentOf } from "./environment.ts";
import { whileInPlace } from "./in-place.ts";
import { Interrupted, untilSignal } from "./interrupt.ts";
import { checkMemory } from "./memory.ts";
import type { Terminal } from "./terminal.ts";

export interface ContinueOptions extends EngineOptions {
  readonly checkpoint: Interval;
  readonly json?: boolean;
  readonly events?: "ndjson";
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

/** A run, and what it goes on with. */
export interface Continued {
  readonly run: Run;
  readonly plan: Plan;
  readonly engines: Engines;
  readonly options: ContinueOptions;
  readonly terminal: Terminal;
  /** This program's. */
  readonly version: string;
}

export async function continueRun(continued: Continued): Promise<ExitCode> {
  const { plan, options, terminal } = continued;
  const passes = passesOf(plan.spec, plan.dataset.train.count);
  const notes = renderNotes([...specNotes(plan.spec), ...passNotes(passes)], terminal.errStyle);
  if (!options.quiet && notes !== "") terminal.err(`${notes}\n`);
  const agenda = new Agenda(plan.spec);
  return (await trainAll(continued, agenda)) ?? finish(continued, agenda);
}

/** Trains whatever the agenda has due, and leaves no checkpoints; gives the exit code when it was interrupted before. */
export async function trainAll(continued: Continued, agenda: Agenda): Promise<ExitCode | undefined> {
  const { run, options, terminal } = continued;
  const say = (text: string): void => (options.quiet ? undefined : terminal.err(`${text}\n`));
  for (const note of run.notes) say(terminal.errStyle.red(note));
  cleanCheckpoints(run.folder, (trial) => (run.state.of(trial)?.status ?? "stopped") === "stopped");
  try {
    if (agenda.due(run.state, () => false).length > 0) {
      const interrupted = await trainDue(continued, agenda);
      if (interrupted !== undefined) {
        say("interrupted: what was finished is in the journal, what was begun is in checkpoints; the same command continues from there");
        return interrupted;
      }
    }
  } catch (error) {
    if (!(error instanceof Interrupted)) throw asUserError(error);
    say(
      run.state.run === undefined
        ? "interrupted before the first step"
        : "interrupted: the same command continues from the last checkpoints",
    );
    return error.exitCode;
  }
  cleanCheckpoints(run.folder, () => false);
  return undefined;
}

export function asUserError(error: unknown): unknown {
  if (error instanceof WorkerUnavailable)
    return new UserError({ code: "engine_unavailable", message: error.message, hint: "--engine names another one" }, exitCodes.engine);
  if (error instanceof TooManyFailures)
    return new UserError(
      { code: "too_many_failures", message: `stopped: ${error.message}`, hint: "the reasons are above; the same command tries them again" },
      exitCodes.noSurvivor,
    );
  if (error instanceof WorkerFailed && error.systemCode !== undefined)
    return Object.assign(new Error(error.message), { code: error.systemCode });
  return error;
}

async function trainDue(continued: Continued, agenda: Agenda): Promise<ExitCode | undefined> {
  const { run, plan, engines, options, terminal } = continued;
  const say = (text: string): void => (options.quiet || text === "" ? undefined : terminal.err(`${text}\n`));
  const trials = openingTrials(plan.spec);
  checkMemory(stackJob(plan, trials.slice(0, 1), plan.spec.width.proxy, 1), "a proxy");
  const work: Work = { plan, trials, width: plan.spec.width.proxy };
  const { run: begun } = run.state;
  if (begun !== undefined) engines.prefer(begun.engine);
  const { setup, pool } = await untilSignal(() => whileInPlace(run, () => engines.choose(work, run.folder)));
  const arithmetic = beginWith(continued, setup);
  engines.remember(work, run.folder, setup);
  say(renderSetup(setup, options.verbose ?? false, terminal.errStyle));
  say(renderNotes(setupNotes(plan.spec, setup), terminal.errStyle));

  const progress = new SweepProgress(terminal.now());
  const emit = (event: SweepEvent): void => {
    if (options.events) terminal.out(jsonLine(event));
    if (event.event === "stack_halved")
      engines.remember(work, run.folder, { ...setup, arrangement: { ...setup.arrangement, stackSize: event.size } });
    const line = progress.apply(event, terminal.errStyle);
    if (line !== undefined && !options.quiet) terminal.err(`${line}\n`);
  };
  if (!options.quiet) terminal.live(progress);
  try {
    return await untilSignal(
      async (stop) => {
        const context = { folder: run.folder, state: run.state, pool, emit, arithmetic, interval: options.checkpoint };
        const acknowledge = (results: readonly TrialResult[]): void => run.acknowledge(results);
        const stopping = (): boolean => stop.exitCode !== undefined;
        const sweeping = (): Promise<boolean> => runSweep(plan, agenda, setup.arrangement, { ...context, acknowledge, stopping });
        const isDone = await whileInPlace(run, sweeping);
        return isDone ? undefined : stop.exitCode;
      },
      () => stopGently(pool, say),
    );
  } finally {
    terminal.rest();
  }
}

export function stopGently(pool: WorkerPool, say: (text: string) => void): void {
  say("stopping at a checkpoint; interrupt again to stop now");
  pool.stop();
}

/** Begins the run, or checks that it goes on with the arithmetic it was begun with; returns that. */
function beginWith({ run, plan, version }: Continued, setup: Setup): string {
  const environment = environmentOf(plan, setup, resolve(run.folder.path), version);
  const arithmetic = `${environment.engine}, ${setup.device.kind}`;
  const { run: begun } = run.state;
  if (begun === undefined) {
    const { name } = plan.spec;
    run.begin({ name, spec: plan.spec, spec_hash: plan.specHash, engine: setup.engine, arithmetic, environment }, journalVersion);
  } else if (begun.arithmetic !== arithmetic) {
    throw new UserError(
      {
        code: "run_of_another_engine",
        message: `${run.folder.path} holds a run on ${begun.arithmetic}, and this is ${arithmetic}: their results differ by rounding`,
        hint:
          begun.engine === setup.engine
            ? "go on with the version that it was begun with, or give another folder with --out"
            : `go on with --engine ${begun.engine}, or give another folder with --out`,
      },
      exitCodes.disagreement,
    );
  }
  return arithmetic;
}

/** Writes the results of a run whose trials have all ended, and prints them. */
function finish({ run, plan, options, terminal }: Continued, agenda: Agenda): ExitCode {
  const { run: begun } = run.state;
  if (begun === undefined) throw new Error("finish: the run has not begun");
  const confirmations = agenda.confirmations(run.state).flatMap((trial) => run.state.of(trial) ?? []);
  const summaries = [...agenda.trials.flatMap((trial) => run.state.of(trial) ?? []), ...confirmations];
  const resultOf = (summary: TrialSummary): TrialResult => run.result(summary);
  const head: ResultsHead = makeHead(plan, summaries, begun.environment);
  const ranked = standings(summaries, plan.spec.seed);
  const pieces = (): Iterable<string> => resultsText(head, () => mapped(summaries, resultOf));
  run.folder.write(runFiles.results, pieces(), "results");
  run.folder.write(runFiles.table, trialsCsv(mapped([...ranked, ...confirmations], resultOf), plan.spec.seed));
  const path = join(run.folder.path, runFiles.results);
  if (options.json) for (const piece of pieces()) terminal.out(piece);
  else if (options.events) terminal.out(jsonLine({ event: "sweep_finished", best: head.best, cost: head.cost, results: path }));
  else {
    const table = renderRanking(ranked.slice(0, shownTrials).map(resultOf), ranked.length, head.confirmation, terminal.outStyle);
    terminal.out(`${table}\n\n${renderVerdict(head, summaries, path, terminal.outStyle)}\n`);
  }
  const ofData = dataNotes(generalizationOf(plan.spec, plan.dataset.train.count, summaries));
  const notes = renderNotes([...ofData, ...resultNotes(head)], terminal.errStyle);
  if (!options.quiet && notes !== "") terminal.err(`${notes}\n`);
  return head.best === null ? exitCodes.noSurvivor : exitCodes.ok;
}

function* mapped<A, B>(values: Iterable<A>, of: (value: A) => B): Generator<B> {
  for (const value of values) yield of(value);
}
