/**
 * Measures what a training step costs here, on the job's own data, without
 * keeping anything: a few steps after a first call that warms up.
 */
import { readBatches, trainingStarts } from "../data/batches.ts";
import { openTokens } from "../data/token-file.ts";
import { initialState } from "./initialize.ts";
import { programOf, type Compile, type StackJob } from "./train.ts";

/** Steps are timed in so many runs of about so long, and the fastest counts: whatever else the machine does only slows. */
const runs = 3;
const runSeconds = 0.02;
const mostSteps = 32;
/** Steps that take longer are timed once. */
const longStepSeconds = 0.2;

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
    if (first * least > longStepSeconds) return first;
    const steps = Math.max(least, Math.min(mostSteps, Math.ceil(runSeconds / first)));
    const times: number[] = [];
    while (times.length < runs) times.push(await run(steps));
    return Math.min(...times);
  } finally {
    reader.close();
  }
}
