/**
 * A sweep: trains the proxies of a spec, in a folder of its own or on from where an earlier
 * process has left it, and writes its results. Training what a run lacks, which `retry` and
 * `curves` do as well, is train-run.ts's business.
 */
import { join } from "node:path";
import { frequencyLoss } from "../data/frequencies.ts";
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
import { followRules, type Plan } from "../spec/plan.ts";
import { readPlan, type SpecFile } from "../spec/read.ts";
import { Agenda, judgedTrials } from "../sweep/agenda.ts";
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
    const [read] = await Promise.all([readPlan(spec, setting.host.cache, checkProxy), engines.warm()]);
    const folder = makeRunFolder(runPath(read.spec.name, options.out));
    return holding(Run.open(folder), (run) =>
      // They were there before the run, and have to end before it as well.
      holding(engines, () => {
        const plan = followRules(read, run.state.spec);
        if (plan !== read) run.notes.push(olderRules);
        if (run.state.run === undefined) refuseOther(folder, plan);
        run.match({ spec: plan.spec, specHash: plan.specHash, data: plan.dataset }, options.extend ?? false);
        return finishRun({ run, plan, engines, checkpoint: options.checkpoint, setting });
      }),
    );
  });
}

/** What is said of a run that goes on under the rules that it was begun with. */
export const olderRules = "this run was begun under rules 1, and goes on under them";

/** Trains what a run lacks, and writes its results. */
export async function finishRun(study: RunStudy): Promise<FinishedSweep> {
  const agenda = new Agenda(study.plan.spec);
  study.setting.emit(planRead(study.plan, "sweep"));
  await trainRun(study, agenda);
  return finish(study);
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

function finish({ run, plan, setting }: RunStudy): FinishedSweep {
  const { run: begun } = run.state;
  if (begun === undefined) throw new Error("finish: the run has not begun");
  const { first, confirmations } = judgedTrials(plan.spec, run.state);
  const summaries = [...first, ...confirmations];
  const resultOf = (summary: TrialSummary): TrialResult => run.result(summary);
  const head = makeHead(plan, summaries, begun.environment, frequencyNatsOf(plan));
  const ranked = standings(summaries, plan.spec);
  writeResults(run.folder, () => resultsText(head, () => mapped(summaries, resultOf)));
  writeTrialsTable(run.folder, mapped([...ranked, ...confirmations], resultOf), plan.spec.seed);
  const path = join(run.folder.path, runFiles.results);
  setting.emit({ event: "sweep_finished", best: head.best, cost: head.cost, results: path });
  const leaders = ranked.slice(0, mostLeaders).map(resultOf);
  const generalization = generalizationOf(plan.spec, plan.dataset.train.count, summaries);
  return { head, summaries, rankedCount: ranked.length, leaders, generalization, path };
}

/** What knowing the tokens' frequencies costs; null when the data is no longer what was trained on, which has results all the same. */
function frequencyNatsOf({ dataset }: Plan): number | null {
  try {
    return frequencyLoss(dataset);
  } catch (error) {
    if (error instanceof UserError) return null;
    throw error;
  }
}

function* mapped<A, B>(values: Iterable<A>, of: (value: A) => B): Generator<B> {
  for (const value of values) yield of(value);
}
