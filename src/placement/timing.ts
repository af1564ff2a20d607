/**
 * How one engine's work is best spread, by timing a few steps of it: how many models
 * in a stack, how many stacks at once. Which engine is used is engines.ts's business.
 */
import { totalmem } from "node:os";
import type { Device, EngineName } from "../engines/engine.ts";
import type { EngineEntry } from "../engines/registry.ts";
import { flopsPerStep, type Size } from "../model/config.ts";
import { percentOf } from "../numbers.ts";
import type { Plan } from "../spec/plan.ts";
import { trainingOf, type Tried } from "../spec/training.ts";
import { programOf, type Training } from "../training/train.ts";
import { attempts, resultOf } from "../workers/attempts.ts";
import { WorkerFailed, type WorkerPool } from "../workers/pool.ts";
import type { EngineDescription } from "../workers/tasks.ts";
import { arrange, type Arrangement, type Setup } from "./arrangements.ts";

/** What is to be trained. */
export interface Work {
  readonly plan: Plan;
  readonly trials: readonly Tried[];
  readonly of: "proxies" | "target";
  readonly size: Size;
}

/** A clock, and somebody to be told of what takes long. */
export interface Clock {
  /** Tells the user of what takes long, and of what is not used and why. */
  readonly note: (text: string) => void;
  /** Seconds on a monotonic clock. */
  readonly now: () => number;
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
}

/** Share of a device's memory that a sweep may plan with. */
const memoryShare = 0.9;
/** How long all workers train at once to be timed, and how often: the fastest counts, since whatever else the machine does slows. */
const [timedSeconds, timedRounds] = [0.05, 2];

/** How an engine's work is spread at best, as timed here; rejects with WorkerFailed when not even one model fits. */
export async function measure(
  { name, entry, pool, workers, version, device }: Measured,
  work: Work,
  { jobs: wantedJobs, stack, always }: MeasureOptions,
  { note, now }: Clock,
): Promise<Setup> {
  const { train } = work.plan.spec;
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
    },
    (arrangement) => time(pool, work, arrangement, device.kind, note),
    now,
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

/** A step of more is timed on a part of it: about a second's work. */
const mostTimedFlops = { cpu: 1e11, gpu: 1e13 } as const;

/** The training with fewer and shorter sequences, when its step takes long, and what share of the step that is. */
export function timedPart(training: Training, kind: Device["kind"]): { readonly training: Training; readonly share: number } {
  const flopsOf = ({ model, train, lanes }: Training): number => lanes.length * flopsPerStep(model, train.batch);
  let part = training;
  while (flopsOf(part) > mostTimedFlops[kind] && part.train.batch * part.model.context > 1) {
    const { model, train } = part;
    part =
      train.batch > 1
        ? { ...part, train: { ...train, batch: Math.ceil(train.batch / 2) } }
        : { ...part, model: { ...model, context: Math.ceil(model.context / 2) } };
  }
  return { training: part, share: flopsOf(part) / flopsOf(training) };
}

/** Seconds per step while as many workers as arranged train at once; undefined when that is more than the device can do. */
async function time(
  pool: WorkerPool,
  work: Work,
  arrangement: Arrangement,
  kind: Device["kind"],
  note: Clock["note"],
): Promise<number | undefined> {
  const { training, share } = timedPart(workTraining(work, arrangement), kind);
  if (share < 1) note(`a step takes long: it is timed on ${percentOf(share)} of it`);
  const all = async <T>(run: () => Promise<T>): Promise<readonly T[]> => Promise.all(Array.from({ length: arrangement.jobs }, run));
  const timed = async (): Promise<number> => {
    await all(() => pool.run({ kind: "prepare", training }, (news) => "note" in news && note(news.note)));
    const rounds: number[] = [];
    while (rounds.length < timedRounds) {
      const times = await all(() => pool.run({ kind: "measure", training, seconds: timedSeconds }));
      rounds.push(times.reduce((sum, { secondsPerStep }) => sum + secondsPerStep, 0) / times.length);
    }
    return Math.min(...rounds) / share;
  };
  try {
    return await (arrangement.stackSize === 1 ? again(timed) : timed());
  } catch (error) {
    if (!(error instanceof WorkerFailed) || arrangement.stackSize === 1) throw error;
    const what = error.outOfMemory ? "does not fit the memory" : `cannot be run (${error.message})`;
    note(`a stack of ${arrangement.stackSize} ${what}`);
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
  const { bytes, largestTensorBytes } = await entry.footprint(programOf(training), training.threads);
  const together = device.kind === "gpu" ? Math.ceil(jobs / workers) : jobs;
  const onDevice = together * (entry.processBytes + bytes) <= memoryShare * device.memoryBytes;
  return onDevice && jobs * entry.processBytes <= memoryShare * totalmem() && largestTensorBytes <= (device.tensorBytes ?? Infinity);
}
