/** Why an engine is not used, told from a bug, and as what a user can mend when none is left. */
import type { EngineName } from "../engines/engine.ts";
import { option, UserError } from "../errors.ts";
import { WorkerFailed, WorkerUnavailable } from "../workers/pool.ts";

/** What a worker says of an engine that cannot be used, or that cannot do what is asked of it. */
export type Refusal = WorkerUnavailable | WorkerFailed;

/** Whether an error says that an engine is not to be had, rather than that something is wrong here. */
export const isRefusal = (error: unknown): error is Refusal => error instanceof WorkerUnavailable || error instanceof WorkerFailed;

/** That no engine can be used (kind engine), for the reason given last; `named` is the one that was asked for. */
export function noEngine(refusal: Refusal | undefined, named: EngineName | undefined): UserError {
  const hint =
    named === undefined ? "`mutransfer doctor` lists the engines of this machine" : `${option("engine")} auto takes one that runs here`;
  return new UserError({ code: "engine_unavailable", message: refusal?.message ?? "no engine runs here", hint }, "engine");
}

/** That no engine can train what is to be trained: it does not fit (kind usage), or there is no engine (kind engine). */
export function cannotTrain(refusal: Refusal | undefined, named: EngineName | undefined): UserError {
  if (!(refusal instanceof WorkerFailed) || !refusal.outOfMemory) return noEngine(refusal, named);
  const hint = "lower the width, the batch, the context or the vocabulary";
  return new UserError({ code: "does_not_fit", message: refusal.message, hint });
}
