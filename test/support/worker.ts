/** Pools of this program's own workers, as built. */
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";
import { WorkerPool } from "../../src/workers/pool.ts";
import { cpuEngine } from "./native.ts";

const workerEntry = fileURLToPath(new URL("../../dist/src/workers/worker.js", import.meta.url));

const made: WorkerPool[] = [];

/** Closed when the test file ends. */
export function workerPool(): WorkerPool {
  const pool = new WorkerPool(workerEntry, cpuEngine);
  made.push(pool);
  return pool;
}

afterAll(() => {
  for (const pool of made) pool.close();
});
