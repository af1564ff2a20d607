/**
 * A forecast: what a sweep and its target will cost. Counts come first, of the spec alone;
 * then times, from steps or parts of steps that are timed. Nothing is trained or written.
 */
import { cores } from "../engines/cores.ts";
import { engines as registry } from "../engines/registry.ts";
import { chosenTiming, type Setup } from "../placement/arrangements.ts";
import type { EngineOptions, Engines } from "../placement/engines.ts";
import { timeStepWithin, type Timing } from "../placement/graduated.ts";
import { checkMemory, memoryProblem, workerMemory } from "../placement/memory.ts";
import { workOf } from "../placement/parts.ts";
import { dumpProgram } from "../program/dump.ts";
import { OpenFolder } from "../run/open-folder.ts";
import { runPath } from "../run/run-folder.ts";
import { sizesOf, type Plan } from "../spec/plan.ts";
import { trainingOf } from "../spec/training.ts";
import { mostRaced, openingTrials, plannedWork } from "../sweep/agenda.ts";
import { checkpointBytes } from "../training/checkpoint.ts";
import { programOf, type Training } from "../training/train.ts";
import { WorkerFailed } from "../workers/pool.ts";
import { checkpointsKept, countPlan, oneOf, type Counted, type PlanCounts, type Raced } from "./counts.ts";
import { withEngines, type Setting } from "./setting.ts";
import { stoppable } from "./stopping.ts";

export { checkProxy } from "../placement/memory.ts";

/** One of the two parts of a run, with what depends on the engine and on how the work is spread. */
export interface Forecast extends Counted {
  /** What one worker needs of its device while it trains and keeps checkpoints, at most about. */
  readonly memoryBytes: number;
  readonly seconds: number;
  /** The share of a training step that was timed; null where the time follows from the proxies' by FLOPs. */
  readonly timedShare: number | null;
  /** What the checkpoints that all workers together keep need on disk, when there are any. */
  readonly checkpointBytes: number;
}

/** What racing may add at most, with what depends on the engine. */
export interface RacedForecast extends Raced {
  readonly seconds: number;
  /** What its checkpoints need on disk beyond the proxies', which are gone by then: nothing. */
  readonly checkpointBytes: 0;
}

/** What a sweep and its target will cost. */
export interface PlanSummary extends PlanCounts {
  readonly setup: Setup;
  /** Without what racing may add. */
  readonly proxies: Forecast;
  readonly racing: RacedForecast;
  readonly target: Forecast;
}

/** How long proxies are timed, and the target. */
const timingSeconds = { proxies: 5, target: 2.5 } as const;
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

/** Forecasts the sweep of a plan and its target: tells of the counts at once, and then times; throws Stopped, or a UserError. */
export function forecast(plan: Plan, options: ForecastOptions, setting: Setting): Promise<PlanSummary> {
  const timing = { always: true, seconds: timingSeconds.proxies };
  return withEngines(
    options,
    setting,
    async (engines) => {
      const counts = countPlan(plan);
      checkMemory(oneOf(plan, sizesOf(plan.spec).proxy), "a proxy");
      setting.emit({ event: "plan_counted", counts });
      const folder = OpenFolder.open(runPath(plan.spec.name, options.out));
      try {
        return await stoppable(setting, () => timePlan(plan, counts, engines, folder, setting));
      } finally {
        folder?.close();
      }
    },
    timing,
  );
}

async function timePlan(
  plan: Plan,
  counts: PlanCounts,
  engines: Engines,
  folder: OpenFolder | undefined,
  setting: Setting,
): Promise<PlanSummary> {
  const { spec } = plan;
  const { train } = spec;
  const { proxy: size, target: targetSize } = sizesOf(spec);
  const trials = openingTrials(spec);
  setting.emit({ event: "timing_started", of: "proxies", size, seconds: timingSeconds.proxies });
  const { setup, pool } = await engines.choose({ plan, trials, of: "proxies", size }, folder);
  const timed = chosenTiming(setup);
  if (timed === undefined) throw new Error("timePlan: the chosen arrangement was not timed");
  const { stackSize, jobs, threads } = setup.arrangement;
  const proxies = trainingOf(plan, trials.slice(0, stackSize), size, threads);
  const target = oneOf(plan, targetSize, cores());
  const perWork = timed.secondsPerStep / (jobs * workOf(proxies));
  const targetStep = await timeTarget({ pool, training: target, jobs: 1, kind: setup.device.kind }, perWork, setting);
  const evaluations = (Math.ceil(train.steps / train.evaluate.every) + 1) * train.evaluate.batches;
  const evaluated = 1 + (evaluations * forwardShare) / train.steps;
  /** What depends on the engine, when so many model-steps take so many seconds each. */
  const cost = async (counted: Counted, training: Training, modelSteps: number, step: StepShare): Promise<Forecast> => ({
    ...counted,
    memoryBytes: (await workerMemory(registry[setup.engine], training, setup.device.kind)).deviceBytes,
    seconds: evaluated * modelSteps * step.seconds,
    timedShare: step.timedShare,
    // Early stopping keeps every trial until it is decided.
    checkpointBytes:
      checkpointsKept * Math.min(jobs, counted.models) * checkpointBytes(training) +
      (counted.models > 1 && spec.search.early_stopping !== null ? (trials.length * checkpointBytes(training)) / training.lanes.length : 0),
  });
  const { rounds, perRound } = mostRaced(spec);
  const proxyStep = { seconds: timed.secondsPerSweepStep / trials.length, timedShare: timed.share ?? 1 };
  return {
    ...counts,
    setup,
    proxies: await cost(counts.proxies, proxies, plannedWork(spec).trialSteps, proxyStep),
    racing: {
      ...counts.racing,
      seconds: evaluated * rounds * train.steps * Math.ceil(Math.ceil(perRound / stackSize) / jobs) * timed.secondsPerStep,
      checkpointBytes: 0,
    },
    target: await cost(counts.target, target, train.steps, targetStep),
  };
}

/** How long a step of one model takes, and the share of it that was timed. */
interface StepShare {
  readonly seconds: number;
  readonly timedShare: number | null;
}

/** A step of the target: timed, or scaled from what the proxies take for their work when it does not fit. */
async function timeTarget(timing: Timing, secondsPerWork: number, { emit, now }: Setting): Promise<StepShare> {
  const { training: target } = timing;
  const untimed = (why: string): StepShare => {
    emit({ event: "target_not_timed", why });
    return { seconds: secondsPerWork * workOf(target), timedShare: null };
  };
  const unfit = memoryProblem(target, "the target")?.message;
  if (unfit !== undefined) return untimed(unfit);
  const seconds = timingSeconds.target;
  const { width, layers } = target.model;
  emit({ event: "timing_started", of: "target", size: { width, layers }, seconds });
  try {
    const note = (text: string): void => emit({ event: "note", note: text });
    const { secondsPerStep, share } = await timeStepWithin(seconds, timing, { note, now }, secondsPerWork);
    return { seconds: secondsPerStep, timedShare: share };
  } catch (error) {
    if (!(error instanceof WorkerFailed)) throw error;
    return untimed(`the target cannot be trained here (${error.message})`);
  }
}
