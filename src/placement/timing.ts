/**
 * How one engine's work is best spread, by timing a few steps of it: how many models
 * in a stack, how many stacks at once. Which engine is used is engines.ts's business.
 */
import { totalmem } from "node:os";
import type { Device, EngineName } from "../engines/engine.ts";
import type { EngineEntry } from "../engines/registry.ts";
import type { Size } from "../model/config.ts";
import type { Plan } from "../spec/plan.ts";
import { trainingOf, type Tried } from "../spec/training.ts";
import type { Training } from "../training/train.ts";
import { attempts, resultOf } from "../workers/attempts.ts";
import { WorkerFailed, type WorkerPool } from "../workers/pool.ts";
import type { EngineDescription } from "../workers/tasks.ts";
import { arrange, type Arrangement, type Setup } from "./arrangements.ts";
import { mostTimedWork, secondsToTime, tellingWork, timeStep, timeStepWithin, type Clock, type StepTime } from "./graduated.ts";
import { workerMemory } from "./memory.ts";

/** What is to be trained. */
export interface Work {
  readonly plan: Plan;
  readonly trials: readonly Tried[];
  readonly of: "proxies" | "target";
  readonly size: Size;
}

/** An engine that runs here. */
interface Measured extends EngineDescription {
  readonly name: EngineName;
  readonly entry: EngineEntry;
  readonly pool: WorkerPool;
  /** Workers that its devices are meant for. */
  readonly workers: number;
}

/** What is decided already, and need not be found out. */
export interface MeasureOptions {
  /** What was asked for instead of being timed. */
  readonly jobs?: number;
  readonly stack?: number;
  /** Time even where nothing is to be decided. */
  readonly always: boolean;
  /** How long timing may take; what there is no time for is not tried. */
  readonly seconds: number;
}

/** Share of a device's memory that a sweep may plan with. */
const memoryShare = 0.9;
/** The plainest arrangement may take this share of the time, since it decides for how much of a step there is time in the others. */
const plainestShare = 0.5;

/** How an engine's work is spread at best, as timed here; rejects with WorkerFailed when not even one model fits. */
export async function measure(
  { name, entry, pool, workers, version, device }: Measured,
  work: Work,
  { jobs: wantedJobs, stack, always, seconds }: MeasureOptions,
  clock: Clock,
): Promise<Setup> {
  const { train } = work.plan.spec;
  const until = clock.now() + seconds;
  /** What the plainest arrangement took that can be run, for as many models as it trains at a time. */
  let plainest: (StepTime & Pick<Arrangement, "stackSize">) | undefined;
  const growthOf = ({ stackSize }: Arrangement): number => stackSize / (plainest?.stackSize ?? stackSize);
  const time = async (arrangement: Arrangement): Promise<StepTime | undefined> => {
    const { stackSize, jobs } = arrangement;
    const training = workTraining(work, arrangement);
    const most = mostTimedWork[device.kind];
    const timing = (): Promise<StepTime> =>
      plainest === undefined
        ? timeStepWithin(plainestShare * seconds, { pool, training, jobs, kind: device.kind }, clock)
        : timeStep(pool, training, jobs, plainest.share === 1 ? most : Math.min(most, plainest.work * growthOf(arrangement)), clock);
    const timed = await unlessTooLarge(stackSize, timing, clock.note);
    plainest ??= timed && { ...timed, stackSize };
    return timed;
  };
  const { best, timed } = await arrange(
    {
      trials: work.trials.length,
      steps: train.steps,
      workers,
      onCpu: device.kind === "cpu",
      jobs: wantedJobs,
      stackSize: stack,
      always,
      fits: (arrangement) => fits(entry, device, workTraining(work, arrangement), arrangement.jobs, workers),
      isTimeFor: (arrangement) =>
        plainest === undefined ||
        ((plainest.share === 1 || plainest.work >= tellingWork) && secondsToTime(plainest, growthOf(arrangement)) < until - clock.now()),
    },
    time,
    clock.now,
  );
  if (best === undefined)
    throw new WorkerFailed(`one model of width ${work.size.width} does not fit the memory of ${device.name}`, { outOfMemory: true });
  const { stackSize, jobs, threads } = best;
  const products = train.precision === "mixed" ? (device.mixedProducts ?? "float32") : "float32";
  return {
    ...{ engine: name, version, device, products, reason: "", arrangement: { stackSize, jobs, threads } },
    timed: timed.map((each) => ({ engine: name, ...each })),
  };
}

/** What is timed; undefined when that is more than the device can do, unless it is a single model. */
async function unlessTooLarge(stackSize: number, timing: () => Promise<StepTime>, note: Clock["note"]): Promise<StepTime | undefined> {
  try {
    return await (stackSize === 1 ? again(timing) : timing());
  } catch (error) {
    if (!(error instanceof WorkerFailed) || stackSize === 1) throw error;
    const what = error.outOfMemory ? "does not fit the memory" : `cannot be run (${error.message})`;
    note(`a stack of ${stackSize} ${what}`);
    return undefined;
  }
}

/** Once more when a worker dies: what killed it may have nothing to do with its work. */
export async function again<T>(run: () => Promise<T>): Promise<T> {
  return resultOf(await attempts({ run, most: 2, isWorthAnother: () => true }));
}

const workTraining = ({ plan, trials, size }: Work, { stackSize, threads }: Arrangement): Training =>
  trainingOf(plan, trials.slice(0, stackSize), size, threads);

/** Whether the memory estimate of a training fits its device, while so many of it run on as many devices as there are workers. */
async function fits(entry: EngineEntry, device: Device, training: Training, jobs: number, workers: number): Promise<boolean> {
  const { deviceBytes, hostBytes, largestTensorBytes } = await workerMemory(entry, training, device.kind);
  const together = device.kind === "gpu" ? Math.ceil(jobs / workers) : jobs;
  const isFitting = together * deviceBytes <= memoryShare * device.memoryBytes && jobs * hostBytes <= memoryShare * totalmem();
  return isFitting && largestTensorBytes <= (device.tensorBytes ?? Infinity);
}
