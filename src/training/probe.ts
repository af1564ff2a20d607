/**
 * Measures what a training step costs here, on the training's own data, without keeping
 * anything. In two parts, so that several processes can be timed while all of them train.
 */
import { readWindows, trainingStarts, type TokenBatches } from "../data/batches.ts";
import { initialState } from "./initialize.ts";
import { programOf, type Compile, type Training } from "./train.ts";

/** A training whose steps can be timed. */
export interface PreparedSteps {
  /** Seconds per step over as many steps as fit into about so many seconds; `now` is a monotonic clock in seconds. */
  time(seconds: number, now: () => number): Promise<number>;
}

/** Steps of one call after the first. */
const stepsPerCall = 4;

/** Compiles the training and makes its first steps, which are slower than the rest. */
export async function prepareSteps(compile: Compile, training: Training): Promise<PreparedSteps> {
  const program = programOf(training);
  const executable = await compile(program, { threads: training.threads, precision: training.train.precision });
  executable.load(initialState(training.model, training.scaling, training.lanes, program.scalars));
  const batches = new Map([1, stepsPerCall].map((steps) => [steps, firstBatches(training, steps)]));
  const run = async (steps: number): Promise<void> =>
    void (await executable.train({ ...(batches.get(steps) as TokenBatches), factors: new Float32Array(steps) }));
  await run(1);
  await run(1);
  return {
    time: async (seconds, now) => {
      const started = now();
      let steps = 0;
      for (let count = 1; steps === 0 || now() - started < seconds; count = stepsPerCall) {
        await run(count);
        steps += count;
      }
      return (now() - started) / steps;
    },
  };
}

function firstBatches({ data, dataSeed, train, model }: Training, steps: number): TokenBatches {
  const shape = { batch: train.batch, context: model.context };
  const starts = Array.from({ length: steps }, (_, step) => trainingStarts(dataSeed, step + 1, data.train.count, shape)).flat();
  return readWindows(data.train, starts, shape);
}
