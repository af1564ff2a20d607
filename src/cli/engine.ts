/**
 * Which engine a command uses and how its work is spread: the engine that was named,
 * or the fastest of those that run here, by timing a few steps of the work itself.
 */
import { fileURLToPath } from "node:url";
import { cores } from "../engines/cores.ts";
import { engineNames, type EngineName, type Precision } from "../engines/engine.ts";
import { nvidiaGpus } from "../engines/gpus.ts";
import { engines, noNvidia, type Registry } from "../engines/registry.ts";
import { exitCodes, UserError } from "../errors.ts";
import { hashOf } from "../hash.ts";
import type { OpenFolder } from "../sweep/open-folder.ts";
import { chosenTiming, type Setup } from "../sweep/stacking.ts";
import { PoolClosed, WorkerFailed, WorkerPool, WorkerUnavailable, type EngineDescription } from "../sweep/worker-pool.ts";
import { again, measure, type Clock, type Work } from "./engine-timing.ts";
import { engineHost } from "./cache.ts";
import { withPatience } from "./patience.ts";
import { recallSetups, rememberSetup } from "./probe-cache.ts";

export interface EngineOptions {
  /** `auto`, or nothing, is the fastest that runs here. */
  readonly engine?: EngineName | "auto";
  readonly jobs?: number;
  readonly stack?: number;
}

interface Context extends Clock {
  /** Time even where nothing is to be decided. */
  readonly always?: boolean;
  /** Other engines and workers than this program's own. */
  readonly registry?: Registry;
  readonly entry?: string;
}

/** What worker processes run. */
export const workerEntry = fileURLToPath(new URL("./worker.js", import.meta.url));

export class Engines {
  private readonly options: Omit<EngineOptions, "engine"> & { readonly engine?: EngineName };
  private readonly context: Context;
  private readonly registry: Registry;
  private readonly pools = new Map<EngineName, WorkerPool>();
  private preferred: EngineName | undefined;
  private worthTrying: Promise<readonly EngineName[]> | undefined;
  private closed = false;
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

  /** Starts the workers of an engine that will most likely be used, so that they load it while the spec is read; none when it is closed by then. */
  async warm(): Promise<void> {
    const [first] = await this.candidates();
    if (!this.closed && first !== undefined && this.registry[first].kind === "cpu")
      this.pool(first, "float32").warm(this.options.jobs ?? cores());
  }

  /** Takes this engine unless another was named: a run goes on with the engine that it was begun with. */
  prefer(engine: EngineName): void {
    if (this.options.engine !== undefined) return;
    this.preferred = engine;
    this.worthTrying = Promise.resolve([engine]);
  }

  /** Decides for some work, or finds what an earlier run in `folder` has decided for the same. */
  async choose(work: Work, folder?: OpenFolder): Promise<{ readonly setup: Setup; readonly pool: WorkerPool }> {
    const recalled = folder === undefined ? undefined : await this.recall(work, folder);
    const setup = recalled ?? (await this.decide(work));
    for (const [name, pool] of this.pools) if (name !== setup.engine) pool.close();
    return { setup, pool: this.pool(setup.engine, work.plan.spec.train.precision) };
  }

  /** Keeps what was decided, for runs that continue in `folder`. */
  remember(work: Work, folder: OpenFolder, setup: Setup): void {
    rememberSetup(folder, this.keyOf(work), setup);
  }

  /** Ends every worker; none is started from now on, whatever is still being waited for. */
  close(): void {
    this.closed = true;
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
    if (this.closed) throw new PoolClosed();
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
      cores: cores(),
      model,
      train,
      width,
      ...(layers !== undefined && { layers }),
      vocabSize,
      trials: trials.length,
    });
  }

  /** What was decided earlier, if the engine is still the same. */
  private async recall(work: Work, folder: OpenFolder): Promise<Setup | undefined> {
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
    const { precision } = work.plan.spec.train;
    for (const { name, description } of described) {
      try {
        const options = { ...this.options, always: described.length > 1 || (this.context.always ?? false) };
        setups.push(
          await measure(
            { name, entry: this.registry[name], pool: this.pool(name, precision), ...description },
            work,
            options,
            this.context,
          ),
        );
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
    const [gpu] = nvidiaGpus(process.env);
    const why = this.hopeless.get("cuda");
    if (gpu === undefined) return why === undefined || why === noNvidia ? "no GPU found" : `no GPU is used: ${why}`;
    return `${gpu.name} is not used: ${why ?? "see mutransfer doctor"}`;
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
}
