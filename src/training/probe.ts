/**
 * Measures what a training step costs here, on the job's own data, without
 * keeping anything: a few steps after a first call that warms up.
 */
import { readBatches, trainingStarts } from "../data/batches.ts";
import { openTokens } from "../data/token-file.ts";
import { initialState } from "./initialize.ts";
import { programOf, type Compile, type StackJob } from "./train.ts";

/** Steps are timed for about so long, but a few of them, unless one takes too long for that. */
const timedSeconds = 0.05;
const [fewestSteps, mostSteps] = [3, 32];
const longStepSeconds = 0.3;

/** Seconds per step of this job; `now` is a monotonic clock in seconds. */
export async function measureStep(compile: Compile, job: StackJob, now: () => number): Promise<number> {
  const program = programOf(job);
  const executable = await compile(program, { threads: job.threads, precision: job.train.precision });
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
    const least = executable.leastSteps ?? 1;
    await run(1);
    const first = await run(least);
    if (first > longStepSeconds || least > fewestSteps) return first;
    return await run(Math.min(mostSteps, Math.max(fewestSteps, Math.ceil(timedSeconds / first))));
  } finally {
    reader.close();
  }
}
