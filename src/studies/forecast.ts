/**
 * A forecast: what a sweep and its target will cost, from counts and a few steps that are
 * timed; nothing is trained or written.
 */
import { cores } from "../engines/cores.ts";
import { engines as registry } from "../engines/registry.ts";
import { flopsPerStep, parameterCount } from "../model/config.ts";
import { chosenTiming, type Setup, type Timed } from "../placement/arrangements.ts";
import type { EngineOptions, Engines } from "../placement/engines.ts";
import { checkMemory, memoryProblem } from "../placement/memory.ts";
import { dumpProgram } from "../program/dump.ts";
import { OpenFolder } from "../run/open-folder.ts";
import { runPath } from "../run/run-folder.ts";
import { sizesOf, type Plan } from "../spec/plan.ts";
import { trainingOf } from "../spec/training.ts";
import { openingTrials, plannedWork } from "../sweep/agenda.ts";
import { checkpointBytes } from "../training/checkpoint.ts";
import { programOf, type Training } from "../training/train.ts";
import { WorkerFailed, type WorkerPool } from "../workers/pool.ts";
import type { Emit } from "./events.ts";
import { withEngines, type Setting } from "./setting.ts";

export { checkProxy } from "../placement/memory.ts";

/** One of the two parts of a run: all proxies, or the target. */
export interface Forecast {
  readonly width: number;
  readonly models: number;
  readonly parameters: number;
  readonly flops: number;
  /** What one worker needs while it trains. */
  readonly memoryBytes: number;
  readonly seconds: number;
  /** What the checkpoints that all workers together keep need on disk, when there are any. */
  readonly checkpointBytes: number;
}

/** What a sweep and its target will cost. */
export interface PlanSummary {
  readonly name: string;
  readonly method: string;
  readonly trials: number;
  /** Trainings of the best on fresh seeds. */
  readonly confirmations: number;
  readonly steps: number;
  readonly tokensPerStep: number;
  readonly setup: Setup;
  readonly proxies: Forecast;
  readonly target: Forecast;
}

/** Steps expected to take longer are not timed but scaled from the proxy's by FLOPs. */
const probeSeconds = 3;
/** How long the target is timed. */
const timedSeconds = 0.1;
/** A forward pass as a share of a training step. */
const forwardShare = 1 / 3;

/** Where the sweep would be trained. */
export interface ForecastOptions extends EngineOptions {
  /** The folder of a run, whose choice of engine is taken if there is one; runs/<name> unless given. */
  readonly out?: string;
}

/** The training step of a stack of so many proxies, op by op. */
export const programText = (plan: Plan, stack = 1): string =>
  dumpProgram(programOf(trainingOf(plan, openingTrials(plan.spec).slice(0, stack), sizesOf(plan.spec).proxy, 1)));

/** Forecasts the sweep of a plan and its target. */
export function forecast(plan: Plan, options: ForecastOptions, setting: Setting): Promise<PlanSummary> {
  return withEngines(options, setting, (engines) => summarize(plan, engines, options, setting), true);
}

async function summarize(plan: Plan, engines: Engines, options: ForecastOptions, { emit }: Setting): Promise<PlanSummary> {
  const { spec } = plan;
  const { train } = spec;
  const { proxy: proxySize, target: targetSize } = sizesOf(spec);
  const trials = openingTrials(spec);
  checkMemory(trainingOf(plan, trials.slice(0, 1), proxySize, 1), "a proxy");
  const folder = OpenFolder.open(runPath(spec.name, options.out));
  const choosing = engines.choose({ plan, trials, of: "proxies", size: proxySize }, folder);
  const { setup, pool } = await choosing.finally(() => folder?.close());
  const timed = chosenTiming(setup);
  if (timed === undefined) throw new Error("summarize: the chosen arrangement was not timed");
  const { stackSize, jobs, threads } = setup.arrangement;
  const proxies = trainingOf(plan, trials.slice(0, stackSize), proxySize, threads);
  const target = trainingOf(plan, trials.slice(0, 1), targetSize, cores());
  const secondsOfTarget = await targetSeconds({ pool, proxies, timed, target, unfit: memoryProblem(target, "the target")?.message }, emit);
  const evaluations = (Math.ceil(train.steps / train.evaluate.every) + 1) * train.evaluate.batches;
  const { trainings, trialSteps } = plannedWork(spec);
  const evaluated = 1 + (evaluations * forwardShare) / train.steps;
  /** What so many models cost that make so many steps in all, when a step of one takes so many seconds. */
  const cost = async (training: Training, models: number, modelSteps: number, secondsPerModelStep: number): Promise<Forecast> => ({
    width: training.model.width,
    models,
    parameters: parameterCount(training.model),
    flops: modelSteps * flopsPerStep(training.model, train.batch),
    memoryBytes:
      registry[setup.engine].processBytes + (await registry[setup.engine].footprint(programOf(training), training.threads)).bytes,
    seconds: evaluated * modelSteps * secondsPerModelStep,
    // The last two of each stack in training, and one more while it is written; early stopping keeps every trial until it is decided.
    checkpointBytes:
      3 * Math.min(jobs, models) * checkpointBytes(training) +
      (models > 1 && spec.search.early_stopping !== null ? (trials.length * checkpointBytes(training)) / training.lanes.length : 0),
  });
  return {
    name: spec.name,
    method: spec.search.method,
    trials: spec.search.trials,
    confirmations: trainings - spec.search.trials,
    steps: train.steps,
    tokensPerStep: train.batch * spec.model.context,
    setup,
    proxies: await cost(proxies, trainings, trialSteps, timed.secondsPerSweepStep / trials.length),
    target: await cost(target, 1, train.steps, secondsOfTarget),
  };
}

/** What is known when the target is to be timed. */
interface Known {
  readonly pool: WorkerPool;
  readonly proxies: Training;
  /** What a step of the proxies' stacks takes, as they are arranged. */
  readonly timed: Timed;
  readonly target: Training;
  /** Why the target cannot be trained here, if that is foreseen. */
  readonly unfit: string | undefined;
}

/** Seconds of a step of the target: timed, or scaled from the proxies' when it would take long or does not fit. */
async function targetSeconds({ pool, proxies, timed, target, unfit }: Known, emit: Emit): Promise<number> {
  const { batch } = target.train;
  const perFlop = timed.secondsPerStep / (timed.jobs * proxies.lanes.length * flopsPerStep(proxies.model, batch));
  const scaled = perFlop * flopsPerStep(target.model, batch);
  if (unfit !== undefined) emit({ event: "target_not_timed", why: unfit });
  if (unfit !== undefined || scaled > probeSeconds) return scaled;
  try {
    await pool.run({ kind: "prepare", training: target });
    return (await pool.run({ kind: "measure", training: target, seconds: timedSeconds })).secondsPerStep;
  } catch (error) {
    if (!(error instanceof WorkerFailed)) throw error;
    emit({ event: "target_not_timed", why: `the target cannot be trained here (${error.message})` });
    return scaled;
  }
}
