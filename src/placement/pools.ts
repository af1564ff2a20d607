/** The worker pools of the engines that are tried, each with the environments that its engine asks for. */
import { join } from "node:path";
import type { EngineName, Host, Precision } from "../engines/engine.ts";
import type { Registry } from "../engines/registry.ts";
import { packageRoot } from "../engines/sources.ts";
import { withPatience } from "../workers/patience.ts";
import { PoolClosed, WorkerPool } from "../workers/pool.ts";
import type { EngineDescription, News } from "../workers/tasks.ts";
import { again } from "./timing.ts";

/** What worker processes run: built JavaScript, wherever this file runs from. */
const workerScript = (): string => join(packageRoot(), "dist/src/workers/worker.js");

/** The pools of a command, one for each engine and environment. */
export class EnginePools {
  private readonly registry: Registry;
  private readonly host: Host;
  private readonly script: string;
  /** By engine and variables: a precision makes another pool only where it makes another environment. */
  private readonly pools = new Map<string, { readonly engine: EngineName; readonly pool: WorkerPool }>();
  private closed = false;

  constructor(registry: Registry, host: Host, script = workerScript()) {
    this.registry = registry;
    this.host = host;
    this.script = script;
  }

  /** The pool of an engine, which starts no worker yet; throws PoolClosed after the close. */
  of(engine: EngineName, precision: Precision): WorkerPool {
    const variables = this.registry[engine].workers(this.host, precision);
    const key = JSON.stringify([engine, variables]);
    const known = this.pools.get(key);
    if (known !== undefined) return known.pool;
    if (this.closed) throw new PoolClosed();
    const environments = variables.map((each) => ({ ...this.host.environment, ...each }));
    const pool = new WorkerPool(this.script, engine, environments);
    this.pools.set(key, { engine, pool });
    return pool;
  }

  /** How many workers an engine's devices are meant for. */
  size(engine: EngineName, precision: Precision): number {
    return this.registry[engine].workers(this.host, precision).length;
  }

  /** Loads an engine, if need be, and has it say what it is; rejects with a refusal when it cannot be had. */
  describe(engine: EngineName, precision: Precision, onNews?: (news: News) => void): Promise<EngineDescription> {
    const pool = this.of(engine, precision);
    return again(() => withPatience(pool.run({ kind: "describe" }, onNews), `${engine} does not answer`));
  }

  /** Ends the workers of all engines for which `isDone`; they can be started anew. */
  end(isDone: (engine: EngineName) => boolean): void {
    for (const [key, { engine, pool }] of this.pools) {
      if (!isDone(engine)) continue;
      pool.close();
      this.pools.delete(key);
    }
  }

  /** Ends every worker; none is started from now on. */
  close(): void {
    this.closed = true;
    for (const { pool } of this.pools.values()) pool.close();
  }

  get isClosed(): boolean {
    return this.closed;
  }
}
