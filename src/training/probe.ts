/**
 * Measures what a training step costs here, on the job's own data, without
 * keeping anything: a few steps after a first one that warms up.
 */
import { readBatches, trainingStarts } from "../data/batches.ts";
import { openTokens } from "../data/token-file.ts";
import type { Engine } from "../engines/engine.ts";
import { initialState } from "./initialize.ts";
import { programOf, type StackJob } from "./train.ts";

/** Steps timed; a proxy's step takes milliseconds. */
const timedSteps = 4;

/** Seconds per step of this job; `now` is a monotonic clock in seconds. */
export async function measureStep(engine: Engine, job: StackJob, now: () => number): Promise<number> {
  const program = programOf(job);
  const executable = await engine.compile(program, { threads: job.threads, precision: job.train.precision });
  const reader = openTokens(job.data.train);
  try {
    executable.load(initialState(job.model, job.scaling, job.lanes, program.scalars));
    const shape = { batch: job.train.batch, context: job.model.context };
    const run = async (steps: number): Promise<number> => {
      const starts = Array.from({ length: steps }, (_, step) => trainingStarts(job.dataSeed, step + 1, job.data.train.count, shape)).flat();
      const batches = readBatches(reader, starts, shape);
      const started = now();
      await executable.train({ ...batches, factors: new Float32Array(steps) });
      return (now() - started) / steps;
    };
    await run(1);
    return await run(timedSteps);
  } finally {
    reader.close();
    await executable.dispose();
  }
}
