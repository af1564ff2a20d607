/**
 * `mutransfer plan` and `sweep --dry-run`: what a sweep and its target will cost.
 * A few steps are timed; nothing is trained or written.
 */
import { join } from "node:path";
import { cores } from "../engines/cores.ts";
import { exitCodes, type ExitCode } from "../errors.ts";
import { engines } from "../engines/registry.ts";
import { flopsPerStep, parameterCount } from "../model/config.ts";
import { dumpProgram } from "../program/dump.ts";
import { jsonText } from "../report/json.ts";
import { renderPlan, type Forecast, type PlanSummary } from "../report/plan.ts";
import { depthsOf, type Plan } from "../spec/plan.ts";
import { OpenFolder } from "../sweep/open-folder.ts";
import { chosenTiming, type Timed } from "../sweep/stacking.ts";
import { openingTrials, plannedWork } from "../sweep/agenda.ts";
import { stackJob } from "../sweep/trials.ts";
import { WorkerFailed, type WorkerPool } from "../sweep/worker-pool.ts";
import { checkpointBytes } from "../training/checkpoint.ts";
import { programOf, type StackJob } from "../training/train.ts";
import { Engines, type EngineOptions } from "./engine.ts";
import { openPlan } from "./files.ts";
import { checkMemory, checkProxy, memoryProblem } from "./memory.ts";
import type { Terminal } from "./terminal.ts";

/** Steps expected to take longer are not timed but scaled from the proxy's by FLOPs. */
const probeSeconds = 3;
/** How long the target is timed. */
const timedSeconds = 0.1;
/** A forward pass as a share of a training step. */
const forwardShare = 1 / 3;

export interface PlanCommand extends EngineOptions {
  readonly out?: string;
  readonly json?: boolean;
  readonly program?: boolean;
}

export async function plan(file: string, options: PlanCommand, terminal: Terminal): Promise<ExitCode> {
  terminal.err(`${terminal.errStyle.dim(`reading ${file}`)}\n`);
  return printPlan(await openPlan(file, checkProxy), options, terminal);
}

export async function printPlan(opened: Plan, options: PlanCommand, terminal: Terminal): Promise<ExitCode> {
  if (options.program) {
    const trials = openingTrials(opened.spec).slice(0, options.stack ?? 1);
    terminal.out(`${dumpProgram(programOf(stackJob(opened, trials, opened.spec.width.proxy, 1)))}\n`);
    return exitCodes.ok;
  }
  const chooser = new Engines(options, {
    say: (text) => terminal.err(`${terminal.errStyle.dim(text)}\n`),
    now: () => terminal.now(),
    always: true,
  });
  try {
    const summary = await summarize(opened, chooser, options, terminal);
    terminal.out(options.json ? jsonText(summary) : `${renderPlan(summary, terminal.outStyle)}\n`);
    return exitCodes.ok;
  } finally {
    chooser.close();
  }
}

async function summarize(opened: Plan, chooser: Engines, options: PlanCommand, terminal: Terminal): Promise<PlanSummary> {
  const { spec } = opened;
  const { width, train } = spec;
  const trials = openingTrials(opened.spec);
  checkMemory(stackJob(opened, trials.slice(0, 1), width.proxy, 1), "a proxy");
  const folder = OpenFolder.open(options.out ?? join("runs", spec.name));
  const { setup, pool } = await chooser.choose({ plan: opened, trials, width: width.proxy }, folder);
  folder?.close();
  const { stackSize, jobs, threads } = setup.arrangement;
  const proxyJob = stackJob(opened, trials.slice(0, stackSize), width.proxy, threads);
  const targetJob = stackJob(opened, trials.slice(0, 1), width.target, cores(), depthsOf(spec).target);
  const unfit = memoryProblem(targetJob, "the target");
  if (unfit) terminal.err(`note: ${unfit.message}: its time is scaled from the proxy's\n`);

  const evaluations = (Math.ceil(train.steps / train.evaluate.every) + 1) * train.evaluate.batches;
  const { trainings, trialSteps } = plannedWork(spec);
  const evaluated = 1 + (evaluations * forwardShare) / train.steps;
  /** Of so many models and steps of a model, when a step of each costs so much. */
  const forecast = async (job: StackJob, models: number, modelSteps: number, secondsPerModelStep: number): Promise<Forecast> => ({
    width: job.model.width,
    models,
    parameters: parameterCount(job.model),
    flops: modelSteps * flopsPerStep(job.model, train.batch),
    memoryBytes: engines[setup.engine].processBytes + (await engines[setup.engine].footprint(programOf(job), job.threads)).bytes,
    seconds: evaluated * modelSteps * secondsPerModelStep,
    // The last two of each stack in training, and one more while it is written; early stopping keeps every trial until it is decided.
    checkpointBytes:
      3 * Math.min(jobs, models) * checkpointBytes(job) +
      (models > 1 && spec.search.early_stopping !== null ? (trials.length * checkpointBytes(job)) / job.lanes.length : 0),
  });
  const proxy = chosenTiming(setup);
  if (proxy === undefined) throw new Error("summarize: the chosen arrangement was not timed");
  return {
    name: spec.name,
    method: spec.search.method,
    trials: spec.search.trials,
    confirmations: trainings - spec.search.trials,
    steps: train.steps,
    tokensPerStep: train.batch * spec.model.context,
    setup,
    proxies: await forecast(proxyJob, trainings, trialSteps, proxy.secondsPerSweepStep / trials.length),
    target: await forecast(
      targetJob,
      1,
      train.steps,
      await targetSeconds(pool, proxyJob, targetJob, proxy, jobs, unfit !== undefined, (text) => terminal.err(`${text}\n`)),
    ),
  };
}

/** Seconds of a step of the target: timed, or scaled from the proxies' when it would take long or does not fit. */
async function targetSeconds(
  pool: WorkerPool,
  proxyJob: StackJob,
  targetJob: StackJob,
  proxy: Timed,
  jobs: number,
  unfit: boolean,
  say: (text: string) => void,
): Promise<number> {
  const { batch } = targetJob.train;
  const perFlop = proxy.secondsPerStep / (jobs * proxyJob.lanes.length * flopsPerStep(proxyJob.model, batch));
  const scaled = perFlop * flopsPerStep(targetJob.model, batch);
  if (unfit || scaled > probeSeconds) return scaled;
  try {
    await pool.run({ kind: "prepare", job: targetJob });
    return (await pool.run({ kind: "measure", job: targetJob, seconds: timedSeconds })).secondsPerStep;
  } catch (error) {
    if (!(error instanceof WorkerFailed)) throw error;
    say(`note: the target cannot be trained here (${error.message}): its time is scaled from the proxy's`);
    return scaled;
  }
}
