/**
 * A sweep: trains the proxies of a spec, in a folder of its own or on from where an earlier
 * process has left it, and writes its results. Training what a run lacks, which `retry` and
 * `curves` do as well, is train-run.ts's business.
 */
import { join } from "node:path";
import { option, UserError } from "../errors.ts";
import type { EngineOptions } from "../placement/engines.ts";
import { checkProxy } from "../placement/memory.ts";
import type { OpenFolder } from "../run/open-folder.ts";
import { fieldsOf, writeResults, writeTrialsTable } from "../run/outputs.ts";
import { resultsText, type ResultsHead } from "../run/results.ts";
import { makeRunFolder, runFiles, runPath } from "../run/run-folder.ts";
import { Run } from "../run/run.ts";
import type { TrialSummary } from "../run/state.ts";
import type { TrialResult } from "../run/trial-result.ts";
import type { Plan } from "../spec/plan.ts";
import { readPlan, type SpecFile } from "../spec/read.ts";
import { Agenda } from "../sweep/agenda.ts";
import { generalizationOf, type Generalization } from "../sweep/generalization.ts";
import { makeHead } from "../sweep/head.ts";
import { standings } from "../sweep/select.ts";
import type { Interval } from "../workers/tasks.ts";
import { planRead } from "./events.ts";
import { holding, withEngines, type Setting } from "./setting.ts";
import { trainRun, type RunStudy } from "./train-run.ts";

/** Where a sweep is trained and kept. */
export interface SweepOptions extends EngineOptions {
  /** The run folder; runs/<name> unless given. */
  readonly out?: string;
  readonly checkpoint: Interval;
  /** Adds the trials by which the spec has grown to the run in the folder. */
  readonly extend?: boolean;
}

/** What a sweep has come to. */
export interface FinishedSweep {
  readonly head: ResultsHead;
  /** Every training that ended: first runs, then confirmations. */
  readonly summaries: readonly TrialSummary[];
  /** First runs that ended. */
  readonly rankedCount: number;
  /** The first of the ranking, whole. */
  readonly leaders: readonly TrialResult[];
  /** How far the winner's loss can be taken for more than its text. */
  readonly generalization: Generalization;
  /** Where results.json is. */
  readonly path: string;
}

/** Trials of the ranking that are given whole; results.json has them all. */
const mostLeaders = 20;

/** Trains a spec's proxies to their end; throws Stopped, or a UserError. */
export function sweep(spec: SpecFile, options: SweepOptions, setting: Setting): Promise<FinishedSweep> {
  return withEngines(options, setting, async (engines) => {
    const [plan] = await Promise.all([readPlan(spec, setting.host.cache, checkProxy), engines.warm()]);
    const folder = makeRunFolder(runPath(plan.spec.name, options.out));
    return holding(Run.open(folder), (run) =>
      // They were there before the run, and have to end before it as well.
      holding(engines, () => {
        if (run.state.run === undefined) refuseOther(folder, plan);
        run.match({ spec: plan.spec, specHash: plan.specHash, data: plan.dataset }, options.extend ?? false);
        return finishRun({ run, plan, engines, checkpoint: options.checkpoint, setting });
      }),
    );
  });
}

/** Trains what a run lacks, and writes its results. */
export async function finishRun(study: RunStudy): Promise<FinishedSweep> {
  const agenda = new Agenda(study.plan.spec);
  study.setting.emit(planRead(study.plan, "sweep"));
  await trainRun(study, agenda);
  return finish(study, agenda);
}

/** Results of another sweep are not overwritten although their journal is gone; a journal is checked when it is opened. */
function refuseOther(folder: OpenFolder, plan: Plan): void {
  if (!folder.has(runFiles.results) || fieldsOf(folder, runFiles.results)["spec_hash"] === plan.specHash) return;
  throw new UserError(
    {
      code: "other_results",
      message: `${join(folder.path, runFiles.results)} holds the results of another sweep`,
      hint: `give another folder with ${option("out")}, or move that file away`,
    },
    "disagreement",
  );
}

function finish({ run, plan, setting }: RunStudy, agenda: Agenda): FinishedSweep {
  const { run: begun } = run.state;
  if (begun === undefined) throw new Error("finish: the run has not begun");
  const confirmations = agenda.confirmations(run.state).flatMap((trial) => run.state.of(trial) ?? []);
  const summaries = [...agenda.trials.flatMap((trial) => run.state.of(trial) ?? []), ...confirmations];
  const resultOf = (summary: TrialSummary): TrialResult => run.result(summary);
  const head = makeHead(plan, summaries, begun.environment);
  const ranked = standings(summaries, plan.spec.seed);
  writeResults(run.folder, () => resultsText(head, () => mapped(summaries, resultOf)));
  writeTrialsTable(run.folder, mapped([...ranked, ...confirmations], resultOf), plan.spec.seed);
  const path = join(run.folder.path, runFiles.results);
  setting.emit({ event: "sweep_finished", best: head.best, cost: head.cost, results: path });
  const leaders = ranked.slice(0, mostLeaders).map(resultOf);
  const generalization = generalizationOf(plan.spec, plan.dataset.train.count, summaries);
  return { head, summaries, rankedCount: ranked.length, leaders, generalization, path };
}

function* mapped<A, B>(values: Iterable<A>, of: (value: A) => B): Generator<B> {
  for (const value of values) yield of(value);
}
