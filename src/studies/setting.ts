/**
 * What a study is given besides its data, by whoever runs it: the machine, a clock, somebody
 * to tell, and a way to be stopped. And the scopes that a study works in: the folder that it
 * holds, and its engines.
 */
import type { Host } from "../engines/engine.ts";
import { Engines, type EngineOptions, type EnginesContext } from "../placement/engines.ts";
import type { Emit } from "./events.ts";
import type { Stopping } from "./stopping.ts";

export type { Interval } from "../workers/tasks.ts";

/** What a study is given besides its data. */
export interface Setting {
  /** Where things are kept between runs, and the environment that engines see. */
  readonly host: Host;
  /** Versions of this program and of its runtime, as records name them. */
  readonly versions: { readonly mutransfer: string; readonly node: string };
  /** Seconds on a monotonic clock. */
  readonly now: () => number;
  readonly emit: Emit;
  readonly stopping: Stopping;
}

/** Works with something that is held, such as a run folder or engines, and gives it back whatever comes of the work. */
export async function holding<H extends { close(): void }, T>(held: H, work: (held: H) => Promise<T> | T): Promise<T> {
  try {
    return await work(held);
  } finally {
    held.close();
  }
}

/**
 * Works with engines, whose workers end with the work. Whoever trains in a folder takes the folder first, so that they end
 * before anybody else may take it. `timing` says how long engines are timed, and whether even where nothing is to be decided.
 */
export function withEngines<T>(
  options: EngineOptions,
  { host, now, emit }: Setting,
  work: (engines: Engines) => Promise<T>,
  timing: Pick<EnginesContext, "always" | "seconds"> = {},
): Promise<T> {
  return holding(new Engines(options, { host, now, ...timing, note: (note) => emit({ event: "note", note }) }), work);
}
