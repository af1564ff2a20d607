/**
 * Which engine a command uses and how its work is spread: the engine that was named,
 * or the fastest of those that run here, by timing a few steps of the work itself.
 */
import { availableParallelism, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import { engineNames, type Device, type EngineName, type Precision } from "../engines/engine.ts";
import { nvidiaGpus } from "../engines/gpus.ts";
import { engines, type Entry, type Registry } from "../engines/registry.ts";
import { exitCodes, UserError } from "../errors.ts";
import { hashOf } from "../hash.ts";
import type { Plan } from "../spec/plan.ts";
import { arrange, chosenTiming, type Arrangement, type Setup } from "../sweep/stacking.ts";
import { stackJob, type Trial } from "../sweep/trials.ts";
import { WorkerFailed, WorkerPool, WorkerUnavailable, type EngineDescription } from "../sweep/worker-pool.ts";
import { programOf, type StackJob } from "../training/train.ts";
import { engineHost } from "./files.ts";
import { withPatience } from "./patience.ts";
import { recallSetups, rememberSetup } from "./probe-cache.ts";

/** What is to be trained. */
export interface Work {
  readonly plan: Plan;
  readonly trials: readonly Pick<Trial, "seed" | "hyperparameters">[];
  readonly width: number;
  /** Blocks, where they are not the proxies'. */
  readonly layers?: number;
}

export interface EngineOptions {
  /** `auto`, or nothing, is the fastest that runs here. */
  readonly engine?: EngineName | "auto";
  readonly jobs?: number;
  readonly stack?: number;
}

interface Context {
  readonly say: (text: string) => void;
  /** Seconds on a monotonic clock. */
  readonly now: () => number;
  /** Time even where nothing is to be decided. */
  readonly always?: boolean;
  /** Other engines and workers than this program's own. */
  readonly registry?: Registry;
  readonly entry?: string;
}

/** What worker processes run. */
export const workerEntry = fileURLToPath(new URL("./worker.js", import.meta.url));
/** Share of a device's memory that a sweep may plan with. */
const memoryShare = 0.9;
/** How long all workers train at once to be timed, and how often: the fastest counts, since whatever else the machine does slows. */
const [timedSeconds, timedRounds] = [0.05, 2];

export class Engines {
  private readonly options: Omit<EngineOptions, "engine"> & { readonly engine?: EngineName };
  private readonly context: Context;
  private readonly registry: Registry;
  private readonly pools = new Map<EngineName, WorkerPool>();
  private preferred: EngineName | undefined;
  private worthTrying: Promise<readonly EngineName[]> | undefined;
  /** Of engines on GPUs, why they are not even tried. */
  private readonly hopeless = new Map<EngineName, string>();

  constructor({ engine, jobs, stack }: EngineOptions, context: Context) {
    this.options = {
      ...(engine !== undefined && engine !== "auto" && { engine }),
      ...(jobs !== undefined && { jobs }),
      ...(stack !== undefined && { stack }),
    };
    this.context = context;
    this.registry = context.registry ?? engines;
  }

  /** Starts the workers of an engine that will most likely be used, so that they load it while the spec is read. */
  async warm(): Promise<void> {
    const [first] = await this.candidates();
    if (first !== undefined && this.registry[first].kind === "cpu")
      this.pool(first, "float32").warm(this.options.jobs ?? availableParallelism());
  }

  /** Takes this engine unless another was named: a run goes on with the engine that it was begun with. */
  prefer(engine: EngineName): void {
    if (this.options.engine !== undefined) return;
    this.preferred = engine;
    this.worthTrying = Promise.resolve([engine]);
  }

  /** Decides for some work, or finds what an earlier run in `folder` has decided for the same. */
  async choose(work: Work, folder?: string): Promise<{ readonly setup: Setup; readonly pool: WorkerPool }> {
    const recalled = folder === undefined ? undefined : await this.recall(work, folder);
    const setup = recalled ?? (await this.decide(work));
    for (const [name, pool] of this.pools) if (name !== setup.engine) pool.close();
    return { setup, pool: this.pool(setup.engine, work.plan.spec.train.precision) };
  }

  /** Keeps what was decided, for runs that continue in `folder`. */
  remember(work: Work, folder: string, setup: Setup): void {
    rememberSetup(folder, this.keyOf(work), setup);
  }

  close(): void {
    for (const pool of this.pools.values()) pool.close();
  }

  /** The engine that was named, or all that are worth trying here. */
  private candidates(): Promise<readonly EngineName[]> {
    const { engine } = this.options;
    this.worthTrying ??= engine === undefined ? this.hopeful() : Promise.resolve([engine]);
    return this.worthTrying;
  }
  private async hopeful(): Promise<readonly EngineName[]> {
    const reasons = await Promise.all(engineNames.map((name) => this.registry[name].hopeless(engineHost())));
    reasons.forEach((reason, index) => reason !== undefined && this.hopeless.set(engineNames[index], reason));
    return engineNames.filter((_, index) => reasons[index] === undefined);
  }

  private pool(name: EngineName, precision: Precision): WorkerPool {
    const known = this.pools.get(name);
    if (known !== undefined) return known;
    const environments = this.registry[name].workers(engineHost(), precision).map((each) => ({ ...process.env, ...each }));
    const pool = new WorkerPool(this.context.entry ?? workerEntry, name, environments);
    this.pools.set(name, pool);
    return pool;
  }

  private keyOf({ plan, trials, width, layers }: Work): string {
    const { model, train } = plan.spec;
    const { vocabSize } = plan.dataset;
    return hashOf({
      options: this.options,
      cores: availableParallelism(),
      model,
      train,
      width,
      ...(layers !== undefined && { layers }),
      vocabSize,
      trials: trials.length,
    });
  }

  /** What was decided earlier, if the engine is still the same. */
  private async recall(work: Work, folder: string): Promise<Setup | undefined> {
    const setup = recallSetups(folder)[this.keyOf(work)];
    if (setup === undefined || (this.context.always && setup.timed.length === 0)) return undefined;
    try {
      const { version, device } = await this.describe(setup.engine, work);
      return version === setup.version && device.name === setup.device.name ? setup : undefined;
    } catch (error) {
      if (error instanceof WorkerUnavailable || error instanceof WorkerFailed) return undefined;
      throw error;
    }
  }

  private describe(name: EngineName, { plan }: Work): Promise<EngineDescription> {
    const pool = this.pool(name, plan.spec.train.precision);
    return again(() => withPatience(pool.run({ kind: "describe" }), `${name} does not answer`));
  }

  /** Times every engine on a GPU that runs here, and the first that runs on the CPU, and takes the fastest. */
  private async decide(work: Work): Promise<Setup> {
    const described: { readonly name: EngineName; readonly description: EngineDescription }[] = [];
    let refusal: Error | undefined;
    const refuse = (name: EngineName, error: unknown): void => {
      if (!(error instanceof WorkerUnavailable || error instanceof WorkerFailed)) throw error;
      refusal = error;
      // Few machines have a GPU: one that is not there is no news.
      if (this.registry[name].kind === "gpu" && error instanceof WorkerUnavailable) this.hopeless.set(name, error.message);
      else if (this.options.engine === undefined) this.context.say(`not using ${name}: ${error.message}`);
    };
    for (const name of await this.candidates()) {
      if (this.registry[name].kind === "cpu" && described.some((each) => this.registry[each.name].kind === "cpu")) continue;
      try {
        const description = await this.describe(name, work);
        const isSoftware = this.registry[name].kind === "gpu" && description.device.kind === "cpu";
        if (isSoftware && this.options.engine === undefined) this.hopeless.set(name, `only ${description.device.name}, which is no GPU`);
        else described.push({ name, description });
      } catch (error) {
        refuse(name, error);
      }
    }
    const setups: Setup[] = [];
    for (const { name, description } of described) {
      try {
        setups.push(await this.measure(name, description, work, described.length > 1));
      } catch (error) {
        refuse(name, error);
      }
    }
    const secondsOf = (setup: Setup): number => chosenTiming(setup)?.secondsPerSweepStep ?? 0;
    const [best, second] = setups.sort((a, b) => secondsOf(a) - secondsOf(b));
    if (best === undefined) throw this.noEngine(refusal);
    const timed = setups.flatMap((each) => each.timed);
    const reason =
      second === undefined
        ? this.reasonAlone(best)
        : `${(secondsOf(second) / secondsOf(best)).toPrecision(2)}× as fast as ${second.engine}`;
    return { ...best, timed, reason };
  }

  private reasonAlone({ device }: Setup): string {
    if (this.options.engine !== undefined) return "as asked for";
    if (this.preferred !== undefined) return "as the run was begun";
    if (device.kind === "gpu") return "the only engine that runs here";
    const gpus = nvidiaGpus(process.env);
    if (gpus.length === 0) return "no GPU found";
    return `${gpus[0].name} is not used: ${this.hopeless.get("cuda") ?? "see mutransfer doctor"}`;
  }

  private noEngine(refusal: Error | undefined): UserError {
    const { engine } = this.options;
    if (refusal instanceof WorkerFailed && refusal.outOfMemory) {
      const hint = "lower the width, the batch, the context or the vocabulary";
      return new UserError({ code: "does_not_fit", message: refusal.message, hint });
    }
    const hint = engine === undefined ? "`mutransfer doctor` lists the engines of this machine" : "--engine auto takes one that runs here";
    return new UserError({ code: "engine_unavailable", message: refusal?.message ?? "no engine runs here", hint }, exitCodes.engine);
  }

  private async measure(name: EngineName, { version, device }: EngineDescription, work: Work, always: boolean): Promise<Setup> {
    const { train } = work.plan.spec;
    const entry = this.registry[name];
    const workers = entry.workers(engineHost(), train.precision).length;
    const { best, timed } = await arrange(
      {
        trials: work.trials.length,
        steps: train.steps,
        workers,
        onCpu: device.kind === "cpu",
        jobs: this.options.jobs,
        stackSize: this.options.stack,
        always: always || (this.context.always ?? false),
        fits: (arrangement) => fits(entry, device, jobOf(work, arrangement), arrangement.jobs, workers),
      },
      (arrangement) => this.time(this.pool(name, train.precision), work, arrangement),
      this.context.now,
    );
    if (best === undefined)
      throw new WorkerFailed(`one model of width ${work.width} does not fit the memory of ${device.name}`, { outOfMemory: true });
    const { stackSize, jobs, threads } = best;
    const products = train.precision === "mixed" ? (device.mixedProducts ?? "float32") : "float32";
    return {
      ...{ engine: name, version, device, products, reason: "", arrangement: { stackSize, jobs, threads } },
      timed: timed.map((each) => ({ engine: name, ...each })),
    };
  }

  /** Seconds per step while as many workers as arranged train at once; undefined when that is more than the device can do. */
  private async time(pool: WorkerPool, work: Work, arrangement: Arrangement): Promise<number | undefined> {
    const job = jobOf(work, arrangement);
    const all = async <T>(run: () => Promise<T>): Promise<readonly T[]> => Promise.all(Array.from({ length: arrangement.jobs }, run));
    const timed = async (): Promise<number> => {
      await all(() => pool.run({ kind: "prepare", job }));
      const rounds: number[] = [];
      while (rounds.length < timedRounds) {
        const times = await all(() => pool.run({ kind: "measure", job, seconds: timedSeconds }));
        rounds.push(times.reduce((sum, { secondsPerStep }) => sum + secondsPerStep, 0) / times.length);
      }
      return Math.min(...rounds);
    };
    try {
      return await (arrangement.stackSize === 1 ? again(timed) : timed());
    } catch (error) {
      if (!(error instanceof WorkerFailed) || arrangement.stackSize === 1) throw error;
      const what = error.outOfMemory ? "does not fit the memory" : `cannot be run (${error.message})`;
      this.context.say(`a stack of ${arrangement.stackSize} ${what}`);
      return undefined;
    }
  }
}

/** Once more when a worker dies: what killed it may have nothing to do with its work. */
async function again<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof WorkerFailed) return run();
    throw error;
  }
}

const jobOf = ({ plan, trials, width, layers }: Work, { stackSize, threads }: Arrangement): StackJob =>
  stackJob(plan, trials.slice(0, stackSize), width, threads, layers);

/** Whether the memory estimate of a job fits its device, while so many of it run on as many devices as there are workers. */
async function fits(entry: Entry, device: Device, job: StackJob, jobs: number, workers: number): Promise<boolean> {
  const { bytes, largestTensorBytes } = await entry.footprint(programOf(job), job.threads);
  const together = device.kind === "gpu" ? Math.ceil(jobs / workers) : jobs;
  const onDevice = together * (entry.processBytes + bytes) <= memoryShare * device.memoryBytes;
  return onDevice && jobs * entry.processBytes <= memoryShare * totalmem() && largestTensorBytes <= (device.tensorBytes ?? Infinity);
}
