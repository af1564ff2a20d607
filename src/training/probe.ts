/**
 * Measures what a training step costs here, on the training's own data, without keeping
 * anything. In two parts, so that several processes can be timed while all of them train.
 */
import { readWindows, trainingStarts, type TokenBatches } from "../data/batches.ts";
import type { State } from "../engines/engine.ts";
import { partsOf, shapeOf, sizeOf, type Program } from "../program/program.ts";
import { randomStream } from "../rng.ts";
import { initialScalars } from "./initialize.ts";
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
  executable.load(stateToTime(training, program));
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

/** Standard deviation of weights that are timed: what training usually begins with. */
const timedStd = 0.02;
/** So many weights are drawn, again and again: a step takes as long whatever they are, and drawing all of them takes longer than steps. */
const drawn = 2 ** 12;

function stateToTime({ model, scaling, lanes }: Training, program: Program): State {
  const stream = randomStream(0, "timed weights");
  const few = Float32Array.from({ length: drawn }, () => timedStd * stream.normal());
  const weightsOf = (count: number): Float32Array => {
    const weight = new Float32Array(count);
    for (let at = 0; at < count; at += drawn) weight.set(few.subarray(0, Math.min(drawn, count - at)), at);
    return weight;
  };
  const parameters = program.parameters.map((ref) => {
    const count = sizeOf(shapeOf(program, ref));
    const array = (part: string): Float32Array => (part === "weight" ? weightsOf(count) : new Float32Array(count));
    return [ref, partsOf(program, ref, array)] as const;
  });
  return { step: 0, scalars: initialScalars(model, scaling, lanes, program.scalars), parameters: new Map(parameters) };
}

/** The first batches; a part of a model that knows fewer tokens takes others in their place. */
function firstBatches({ data, dataSeed, train, model }: Training, steps: number): TokenBatches {
  const shape = { batch: train.batch, context: model.context };
  const starts = Array.from({ length: steps }, (_, step) => trainingStarts(dataSeed, step + 1, data.train.count, shape)).flat();
  const { count, tokens, targets } = readWindows(data.train, starts, shape);
  const known = (ids: Int32Array): Int32Array => ids.map((id) => id % model.vocabSize);
  return { count, tokens: known(tokens), targets: known(targets) };
}
