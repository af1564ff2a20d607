/**
 * What a worker process runs: it trains the stacks its parent sends, one after the
 * other, and ends when the parent does.
 */
import { EngineUnavailable, type Engine, type EngineName, type Executable } from "../engines/engine.ts";
import { engines } from "../engines/registry.ts";
import { parametersOf } from "../model/config.ts";
import { dumpProgram } from "../program/dump.ts";
import { writeAtomically } from "../sweep/run-dir.ts";
import { saysOutOfMemory, type Task, type TaskResult, type WorkerMessage } from "../sweep/worker-pool.ts";
import { prepareSteps, type PreparedSteps } from "../training/probe.ts";
import { trainStack, type Compile } from "../training/train.ts";
import { encodeSafetensors } from "../transfer/safetensors.ts";
import { engineHost } from "./files.ts";

/** Loaded at once, while the parent is still reading its spec. */
const loading = engines[process.argv[2] as EngineName].open(engineHost());
loading.catch(() => undefined); // reported with the first task

/** The last program compiled: the stacks of a sweep share it. */
let compiled: { readonly key: string; readonly executable: Executable } | undefined;

const compileWith =
  (engine: Engine): Compile =>
  async (program, options) => {
    const key = `${engine.name} ${JSON.stringify(options)} ${dumpProgram(program)}`;
    if (compiled?.key !== key) {
      await compiled?.executable.dispose();
      compiled = { key, executable: await engine.compile(program, options) };
    }
    return compiled.executable;
  };

const now = (): number => performance.now() / 1000;
const send = (message: WorkerMessage): void => void process.send?.(message);

async function train(engine: Engine, { job, weights }: Task<"train">): Promise<TaskResult<"train">> {
  prepared = undefined;
  const { outcomes, state, engineSeconds } = await trainStack(compileWith(engine), job, {
    now,
    onProgress: (progress) => send({ kind: "progress", progress }),
  });
  if (weights !== undefined) {
    const tensors = parametersOf(job.model).map(({ name: parameter, shape }) => ({
      name: parameter,
      shape,
      data: state.parameters.get(parameter)?.weight as Float32Array,
    }));
    writeAtomically(weights.path, encodeSafetensors(tensors, weights.metadata));
  }
  return { outcomes, engineSeconds };
}

let prepared: PreparedSteps | undefined;

const tasks: { readonly [K in Task["kind"]]: (engine: Engine, task: Task<K>) => Promise<TaskResult<K>> } = {
  train,
  prepare: async (engine, { job }) => {
    prepared = await prepareSteps(compileWith(engine), job);
    return {};
  },
  measure: async (_, { seconds }) => {
    if (prepared === undefined) throw new Error("measure: nothing is prepared");
    return { secondsPerStep: await prepared.time(seconds, now) };
  },
  describe: ({ version, device }) => Promise.resolve({ version, device }),
};

async function answer<K extends Task["kind"]>(task: Task<K>): Promise<WorkerMessage> {
  try {
    return { kind: "done", result: await tasks[task.kind](await loading, task) };
  } catch (error) {
    const { message: reason, code: systemCode } = error as NodeJS.ErrnoException;
    if (error instanceof EngineUnavailable) return { kind: "unavailable", reason };
    return { kind: "failed", reason, systemCode, outOfMemory: saysOutOfMemory(reason) };
  }
}

process.on("message", (task: Task) => void answer(task).then(send));
process.on("disconnect", () => process.exit());
// Ctrl-C reaches the whole process group; when to stop is the parent's decision.
process.on("SIGINT", () => undefined);
