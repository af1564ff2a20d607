/**
 * The engines of a command: the one way to get at one, in worker processes of its own,
 * whether it is to be the fastest for some work, the first that can be had, or looked at.
 */
import { cores } from "../engines/cores.ts";
import type { EngineName, Host, Precision } from "../engines/engine.ts";
import { engines, type Registry } from "../engines/registry.ts";
import { hashOf } from "../hash.ts";
import type { OpenFolder } from "../run/open-folder.ts";
import { withPatience } from "../workers/patience.ts";
import { WorkerUnavailable, type WorkerPool } from "../workers/pool.ts";
import type { EngineDescription } from "../workers/tasks.ts";
import type { Setup } from "./arrangements.ts";
import { Candidates } from "./candidates.ts";
import { fastest } from "./fastest.ts";
import type { Clock } from "./graduated.ts";
import { EnginePools } from "./pools.ts";
import { isRefusal, noEngine, type Refusal } from "./refusals.ts";
import { recallSetups, rememberSetup } from "./remembered.ts";
import type { Work } from "./timing.ts";

/** What the user has decided of engines and arrangements; the rest is timed. */
export interface EngineOptions {
  /** `auto`, or nothing, is the fastest that runs here. */
  readonly engine?: EngineName | "auto";
  readonly jobs?: number;
  readonly stack?: number;
}

/** What engines are opened with. */
export interface EnginesContext extends Clock {
  /** What engines and their workers may know of this process. */
  readonly host: Host;
  /** Time even where nothing is to be decided. */
  readonly always?: boolean;
  /** How long timing may take; half a minute unless given. */
  readonly seconds?: number;
  /** Other engines and workers than this program's own. */
  readonly registry?: Registry;
  readonly workerScript?: string;
}

/** An engine that runs here, and the pool of its workers. */
export interface Found extends EngineDescription {
  readonly name: EngineName;
  readonly pool: WorkerPool;
}

/** What is found out of an engine by loading it. */
export type Examined = {
  /** Whether it is considered when no engine is named. */
  readonly worthTrying: boolean;
} & (({ readonly usable: true } & EngineDescription) | { readonly usable: false; readonly reason: string });

/** A sweep that takes hours has that to spare for the best way to spread it, and none has minutes. */
const usualSeconds = 30;

/** The engines of a command, and the workers that they run in. */
export class Engines {
  private readonly options: Omit<EngineOptions, "engine"> & { readonly engine?: EngineName };
  private readonly context: EnginesContext;
  private readonly registry: Registry;
  private readonly candidates: Candidates;
  private readonly pools: EnginePools;

  constructor({ engine, jobs, stack }: EngineOptions, context: EnginesContext) {
    this.options = {
      ...(engine !== undefined && engine !== "auto" && { engine }),
      ...(jobs !== undefined && { jobs }),
      ...(stack !== undefined && { stack }),
    };
    this.context = context;
    this.registry = context.registry ?? engines;
    this.candidates = new Candidates(this.options.engine, this.registry, context.host);
    this.pools = new EnginePools(this.registry, context.host, context.workerScript);
  }

  /** Starts the workers of an engine that will most likely be used, so that they load it while the spec is read; none when it is closed by then. */
  async warm(): Promise<void> {
    const [first] = await this.candidates.names();
    if (!this.pools.isClosed && first !== undefined && this.registry[first].kind === "cpu")
      this.pools.of(first, "float32").warm(this.options.jobs ?? cores());
  }

  /** Takes this engine unless another was named: a run goes on with the engine that it was begun with. */
  prefer(engine: EngineName): void {
    this.candidates.prefer(engine);
  }

  /**
   * Decides for some work, or finds what an earlier run in `folder` has decided for the same; the workers keep in that
   * folder. Throws a UserError of kind engine, or usage when the work does not fit, when no engine can do it.
   */
  async choose(work: Work, folder?: OpenFolder): Promise<{ readonly setup: Setup; readonly pool: WorkerPool }> {
    const recalled = folder === undefined ? undefined : await this.recall(work, folder);
    const setup = recalled ?? (await this.decide(work));
    this.pools.end((engine) => engine !== setup.engine);
    const pool = this.pools.of(setup.engine, work.plan.spec.train.precision);
    if (folder !== undefined) pool.keepIn(folder.handle);
    return { setup, pool };
  }

  /** The engine that was named, or the first that computes on the CPU and can be had; nothing is timed. Throws a UserError of kind engine when there is none. */
  async first(precision: Precision): Promise<Found> {
    const { note } = this.context;
    let refusal: Refusal | undefined;
    for (const name of this.candidates.onCpu) {
      try {
        const description = await this.pools.describe(name, precision, (news) => "note" in news && note(news.note));
        return { name, ...description, pool: this.pools.of(name, precision) };
      } catch (error) {
        if (!isRefusal(error)) throw error;
        refusal = error;
      }
    }
    throw noEngine(refusal, this.options.engine);
  }

  /** What an engine says of itself, or why it cannot be used, with what to do about it; ends its workers. */
  async examine(name: EngineName): Promise<Examined> {
    const { hopeless, install } = this.registry[name];
    const worthTrying = (await hopeless(this.context.host)) === undefined;
    try {
      const pool = this.pools.of(name, "float32");
      const description = await withPatience(pool.run({ kind: "describe" }), "no answer");
      return { worthTrying, usable: true, ...description };
    } catch (error) {
      const { message } = error as Error;
      return { worthTrying, usable: false, reason: error instanceof WorkerUnavailable ? message : `${message}; ${install}` };
    } finally {
      this.pools.end((engine) => engine === name);
    }
  }

  /** Keeps what was decided, for runs that continue in `folder`. */
  remember(work: Work, folder: OpenFolder, setup: Setup): void {
    rememberSetup(folder, this.keyOf(work), setup);
  }

  /** Ends every worker; none is started from now on, whatever is still being waited for. */
  close(): void {
    this.pools.close();
  }

  private keyOf({ plan, trials, of, size }: Work): string {
    const { model, train } = plan.spec;
    const { vocabSize } = plan.dataset;
    return hashOf({
      options: this.options,
      cores: cores(),
      model,
      train,
      width: size.width,
      ...(of === "target" && { layers: size.layers }),
      vocabSize,
      trials: trials.length,
    });
  }

  /** What was decided earlier, if the engine is still the same. */
  private async recall(work: Work, folder: OpenFolder): Promise<Setup | undefined> {
    const setup = recallSetups(folder)[this.keyOf(work)];
    if (setup === undefined || (this.context.always && setup.timed.length === 0)) return undefined;
    try {
      const { version, device } = await this.pools.describe(setup.engine, work.plan.spec.train.precision);
      return version === setup.version && device.name === setup.device.name ? setup : undefined;
    } catch (error) {
      if (isRefusal(error)) return undefined;
      throw error;
    }
  }

  private decide(work: Work): Promise<Setup> {
    const { registry, candidates, pools } = this;
    const { note, now, always = false, seconds = usualSeconds } = this.context;
    const { jobs, stack } = this.options;
    const options = { ...(jobs !== undefined && { jobs }), ...(stack !== undefined && { stack }), always, seconds };
    return fastest(work, options, { registry, candidates, pools, note, now });
  }
}
