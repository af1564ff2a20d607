/** Waiting for a process that may have hung in a driver. */
import { WorkerFailed } from "./pool.ts";

const patienceSeconds = 60;

/** The answer, or WorkerFailed when there is none in time. */
export async function withPatience<T>(answer: Promise<T>, otherwise: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new WorkerFailed(`${otherwise} within ${patienceSeconds} s`)), patienceSeconds * 1000);
  });
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}
