/**
 * What a worker does for each kind of task, once its engine is loaded. How tasks come
 * and answers go is perform.ts's business.
 */
import { encodeSafetensors } from "../data/safetensors.ts";
import type { Engine } from "../engines/engine.ts";
import { parametersOf } from "../model/transformer.ts";
import { takeReadings } from "../training/coordinates.ts";
import { prepareSteps, type PreparedSteps } from "../training/probe.ts";
import { trainStack, type Trained, type Training } from "../training/train.ts";
import { LastCompiled } from "./compiled.ts";
import { keepingOf, type OwnProcess } from "./keeping.ts";
import type { Store } from "./store.ts";
import type { Task, TaskKind, TaskResult } from "./tasks.ts";

/** Opens what the keys of the task at hand are of. */
export type StoreAtHand = () => Store;

/** Nothing comes of a task that was stopped. */
export type Actions = {
  readonly [K in TaskKind]: (engine: Engine, task: Task<K>, store: StoreAtHand) => Promise<TaskResult<K> | undefined>;
};

/** The actions of one worker process; what a task has prepared is there for the next. */
export function makeActions(own: OwnProcess): Actions {
  const { now, tell } = own;
  const compiled = new LastCompiled();
  let prepared: { readonly training: string; readonly steps: PreparedSteps } | undefined;
  return {
    train: async (engine, { training, keep, until, weights }, store) => {
      prepared = undefined;
      const { outcomes, state, engineSeconds } = await trainStack(
        compiled.with(engine),
        training,
        { now, onProgress: tell },
        keep && keepingOf(training, keep, store(), own),
        until,
      );
      if (outcomes === undefined) return undefined;
      if (weights !== undefined) store().saveWeights(weightPieces(training, state, weights.metadata));
      return { outcomes, engineSeconds };
    },
    prepare: async (engine, { training }) => {
      prepared = { training: JSON.stringify(training), steps: await prepareSteps(compiled.with(engine), training) };
      return {};
    },
    measure: async (_, { training, seconds }) => {
      if (prepared?.training !== JSON.stringify(training)) throw new Error("measure: another training is prepared");
      return { secondsPerStep: await prepared.steps.time(seconds, now) };
    },
    // It disposes of what it compiles, which is therefore not what the stacks share.
    readings: (engine, { subject, conditions, exercise }) =>
      takeReadings((program, options) => engine.compile(program, options), subject, conditions, exercise),
    describe: ({ version, device }) => Promise.resolve({ version, device }),
  };
}

/** Pieces of a file of the weights that a training came to. */
function weightPieces(
  { model }: Training,
  { parameters }: Trained["state"],
  metadata: Readonly<Record<string, string>>,
): Iterable<Uint8Array> {
  const tensors = parametersOf(model).map(({ name, shape }) => ({ name, shape, data: parameters.get(name)?.weight as Float32Array }));
  return encodeSafetensors(tensors, metadata);
}
