/**
 * Which engine a command uses and how its work is spread: the engine that was named,
 * or the fastest of those that run here, by timing a few steps of the work itself.
 */
import { existsSync, readFileSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { engineNames, type Device, type EngineName, type Precision } from "../engines/engine.ts";
import { engines } from "../engines/registry.ts";
import { exitCodes, UserError } from "../errors.ts";
import type { Plan } from "../spec/plan.ts";
import { hashOf } from "../spec/complete.ts";
import { writeAtomically } from "../sweep/run-dir.ts";
import { arrange, type Arrangement, type Setup, type Timed } from "../sweep/stacking.ts";
import { stackJob, type Trial } from "../sweep/trials.ts";
import { WorkerFailed, WorkerPool, WorkerUnavailable, type EngineDescription } from "../sweep/worker-pool.ts";
import { programOf, type StackJob } from "../training/train.ts";
import { engineHost } from "./files.ts";

/** What decides how fast work runs, and what is chosen for it. */
export interface Work {
  readonly plan: Plan;
  readonly trials: readonly Pick<Trial, "seed" | "hyperparameters">[];
  readonly width: number;
}

export interface EngineOptions {
  /** `auto`, or nothing, is the fastest that runs here. */
  readonly engine?: EngineName | "auto";
  readonly jobs?: number;
  readonly stack?: number;
}

/** What worker processes run. */
export const workerEntry = fileURLToPath(new URL("./worker.js", import.meta.url));
/** Share of a device's memory that a sweep may plan with. */
const memoryShare = 0.9;
/** A process that has loaded an engine and trains nothing yet; measured on Linux x64. */
export const workerBytes = 100 * 2 ** 20;
const cacheName = "probe.json";
const cacheVersion = 1;

export class Engines {
  private readonly options: Omit<EngineOptions, "engine"> & { readonly engine?: EngineName };
  private readonly say: (text: string) => void;
  private readonly now: () => number;
  private readonly pools = new Map<EngineName, WorkerPool>();
  private worthTrying: Promise<readonly EngineName[]> | undefined;

  constructor(options: EngineOptions, say: (text: string) => void, now: () => number) {
    const { engine, jobs, stack } = options;
    this.options = {
      ...(engine !== undefined && engine !== "auto" && { engine }),
      ...(jobs !== undefined && { jobs }),
      ...(stack !== undefined && { stack }),
    };
    this.say = say;
    this.now = now;
  }

  /** Starts the workers of an engine that will most likely be used, so that they load it while the spec is read. */
  async warm(): Promise<void> {
    const [first] = await this.candidates();
    if (first !== undefined && engines[first].kind === "cpu") this.pool(first, "float32").warm(this.options.jobs ?? availableParallelism());
  }

  /** Decides for some work; `folder` holds what an earlier run on the same work has measured. */
  async choose(work: Work, folder?: string): Promise<{ readonly setup: Setup; readonly pool: WorkerPool }> {
    const key = this.keyOf(work);
    const setup = (await this.recall(work, key, folder)) ?? (await this.measureAll(work));
    if (folder !== undefined) remember(folder, key, setup);
    for (const [name, pool] of this.pools) if (name !== setup.engine) pool.close();
    return { setup, pool: this.pool(setup.engine, work.plan.spec.train.precision) };
  }

  close(): void {
    for (const pool of this.pools.values()) pool.close();
  }

  /** The engine that was named, or all that are worth trying here. */
  private candidates(): Promise<readonly EngineName[]> {
    const { engine } = this.options;
    this.worthTrying ??= engine === undefined ? enginesWorthTrying() : Promise.resolve([engine]);
    return this.worthTrying;
  }

  private pool(name: EngineName, precision: Precision): WorkerPool {
    const environments = engines[name].workers(engineHost(), precision).map((each) => ({ ...process.env, ...each }));
    const pool = this.pools.get(name) ?? new WorkerPool(workerEntry, name, environments);
    this.pools.set(name, pool);
    return pool;
  }

  private keyOf({ plan, trials, width }: Work): string {
    const { model, train } = plan.spec;
    return hashOf({
      options: this.options,
      cores: availableParallelism(),
      model,
      train,
      width,
      vocabulary: plan.dataset.vocabSize,
      trials: trials.length,
    });
  }

  /** What was measured earlier, if the engine is still the same. */
  private async recall(work: Work, key: string, folder: string | undefined): Promise<Setup | undefined> {
    const setup = folder === undefined ? undefined : cached(folder)[key];
    if (setup === undefined || !engineNames.includes(setup.engine)) return undefined;
    try {
      const { version, device } = await this.pool(setup.engine, work.plan.spec.train.precision).run({ kind: "describe" });
      return version === setup.version && device.name === setup.device.name ? setup : undefined;
    } catch (error) {
      if (error instanceof WorkerUnavailable || error instanceof WorkerFailed) return undefined;
      throw error;
    }
  }

  /** Times every engine on a GPU that runs here, and the first that runs on the CPU. */
  private async measureAll(work: Work): Promise<Setup> {
    const measured: { readonly setup: Setup; readonly best: Timed }[] = [];
    let refusal: Error | undefined;
    for (const name of await this.candidates()) {
      if (engines[name].kind === "cpu" && measured.some(({ setup }) => engines[setup.engine].kind === "cpu")) continue;
      try {
        measured.push(await this.measureOne(name, work));
      } catch (error) {
        if (!(error instanceof WorkerUnavailable || error instanceof WorkerFailed)) throw error;
        refusal = error;
        if (this.options.engine === undefined) this.say(`not using ${name}: ${error.message}`);
      }
    }
    const [first, ...others] = [...measured].sort((a, b) => a.best.secondsPerSweepStep - b.best.secondsPerSweepStep);
    if (first === undefined) {
      const crashed = this.options.engine !== undefined && refusal instanceof WorkerFailed;
      const hint = crashed ? engines[this.options.engine].install : "`mutransfer doctor` lists the engines of this machine";
      throw new UserError({ code: "engine_unavailable", message: refusal?.message ?? "", hint }, exitCodes.engine);
    }
    const timed = measured.flatMap(({ setup }) => setup.timed);
    return { ...first.setup, timed: others.length === 0 ? first.setup.timed : timed };
  }

  private async measureOne(name: EngineName, work: Work): Promise<{ readonly setup: Setup; readonly best: Timed }> {
    const { precision } = work.plan.spec.train;
    const pool = this.pool(name, precision);
    const description = await pool.run({ kind: "describe" });
    const workers = engines[name].workers(engineHost(), precision).length;
    const attempt = (stackSize: number | undefined): ReturnType<typeof arrange> =>
      arrange(
        {
          trials: work.trials.length,
          steps: work.plan.spec.train.steps,
          workers,
          onCpu: description.device.kind === "cpu",
          jobs: this.options.jobs,
          stackSize,
          fits: (arrangement) => fits(name, description.device, jobOf(work, arrangement), arrangement.jobs),
        },
        (arrangement) => this.time(pool, work, arrangement),
        this.now,
      );
    let { best, timed } = await attempt(this.options.stack);
    while (best.secondsPerStep === Infinity && best.stackSize > 1) {
      const half = Math.floor(best.stackSize / 2);
      this.say(`a stack of ${best.stackSize} does not fit the memory: trying ${half}`);
      ({ best, timed } = await attempt(half));
    }
    if (best.secondsPerStep === Infinity) throw new WorkerFailed(`${name}: not even one model fits the memory`, { outOfMemory: true });
    const setup = {
      engine: name,
      ...described(description, precision),
      arrangement: plain(best),
      timed: timed.map((each) => ({ engine: name, ...each })),
    };
    return { setup, best };
  }

  /** Seconds per step while as many workers as arranged train at once; infinite when that is more than the device can do. */
  private async time(pool: WorkerPool, work: Work, arrangement: Arrangement): Promise<number> {
    const job = jobOf(work, arrangement);
    try {
      const runs = await Promise.all(Array.from({ length: arrangement.jobs }, () => pool.run({ kind: "measure", job })));
      return runs.reduce((sum, { secondsPerStep }) => sum + secondsPerStep, 0) / runs.length;
    } catch (error) {
      if (error instanceof WorkerFailed && (error.outOfMemory || arrangement.stackSize > 1)) return Infinity;
      throw error;
    }
  }
}

async function enginesWorthTrying(): Promise<readonly EngineName[]> {
  const worth = await Promise.all(engineNames.map((name) => engines[name].isWorthTrying(engineHost())));
  return engineNames.filter((_, index) => worth[index]);
}

const jobOf = ({ plan, trials, width }: Work, { stackSize, threads }: Arrangement): StackJob =>
  stackJob(plan, trials.slice(0, stackSize), width, threads);
const plain = ({ stackSize, jobs, threads }: Arrangement): Arrangement => ({ stackSize, jobs, threads });
const described = (
  { version, device, mixedProducts }: EngineDescription,
  precision: Precision,
): Pick<Setup, "version" | "device" | "products"> => ({
  version,
  device,
  products: precision === "mixed" ? (mixedProducts ?? "float32") : "float32",
});

/** Whether the memory estimate of a job fits the device, while so many of it run on it. */
async function fits(name: EngineName, device: Device, job: StackJob, jobs: number): Promise<boolean> {
  const { bytes, largestTensorBytes } = await engines[name].footprint(programOf(job), job.threads);
  const together = device.kind === "gpu" ? 1 : jobs; // GPU workers have a GPU each
  const onDevice = together * (workerBytes + bytes) <= memoryShare * device.memoryBytes;
  return onDevice && jobs * workerBytes <= memoryShare * totalmem() && largestTensorBytes <= (device.tensorBytes ?? Infinity);
}

function cached(folder: string): Readonly<Record<string, Setup>> {
  const path = join(folder, cacheName);
  if (!existsSync(path)) return {};
  try {
    const { version, setups } = JSON.parse(readFileSync(path, "utf8")) as { version: number; setups: Readonly<Record<string, Setup>> };
    return version === cacheVersion ? setups : {};
  } catch {
    return {}; // damaged: measured again
  }
}

function remember(folder: string, key: string, setup: Setup): void {
  writeAtomically(join(folder, cacheName), [
    `${JSON.stringify({ version: cacheVersion, setups: { ...cached(folder), [key]: setup } }, null, 2)}\n`,
  ]);
}

/** What to say of a precision that this machine cannot have, if anything. */
export function precisionNotes(precision: Precision, products: string): readonly string[] {
  return precision === "mixed" && products === "float32"
    ? ["precision mixed: this engine has no faster products on this machine, so everything is float32"]
    : [];
}
