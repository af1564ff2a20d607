/** What every training of a study has around it: a stop at a checkpoint, an end that is told, and a worker's words as errors. */
import type { WorkerFailed, WorkerPool } from "../workers/pool.ts";
import type { Setting } from "./setting.ts";
import type { Stop } from "./stopping.ts";

/** Trains on a pool until it is done; a stop that is asked for has its workers keep what they have and stop. */
export async function whileTraining<T>(
  pool: Pick<WorkerPool, "stop">,
  { emit, stopping }: Pick<Setting, "emit" | "stopping">,
  train: (stop: Stop) => Promise<T>,
): Promise<T> {
  try {
    return await stopping.until(train, () => {
      pool.stop();
      emit({ event: "stopping", after: "checkpoint" });
    });
  } finally {
    emit({ event: "training_over" });
  }
}

/** What the operating system has refused a worker, as if it had refused it here; undefined when it was something else. */
export const systemErrorOf = ({ message, systemCode: code }: WorkerFailed): Error | undefined =>
  code === undefined ? undefined : Object.assign(new Error(message), { code });
