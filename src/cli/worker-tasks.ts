/**
 * The tasks of a worker process: it trains the stacks its parent sends, one after the
 * other. How the process lives and dies is worker.ts's business.
 */
import { EngineUnavailable, type Engine, type EngineName, type Executable } from "../engines/engine.ts";
import { engines } from "../engines/registry.ts";
import { UserError } from "../errors.ts";
import { failpoint } from "../failpoints.ts";
import { parametersOf } from "../model/config.ts";
import { dumpProgram } from "../program/dump.ts";
import { shapeOf } from "../program/program.ts";
import { loadCheckpoint, saveCheckpoint } from "../sweep/checkpoints.ts";
import { OpenFolder, type FolderHandle } from "../sweep/open-folder.ts";
import { runFiles } from "../sweep/run-folder.ts";
import {
  saysOutOfMemory,
  type Keep,
  type KeptAs,
  type News,
  type StopMessage,
  type Task,
  type TaskResult,
  type WorkerMessage,
} from "../sweep/worker-pool.ts";
import { encodeCheckpoint, joinCheckpoints, partCheckpoint } from "../training/checkpoint.ts";
import { prepareSteps, type PreparedSteps } from "../training/probe.ts";
import { programOf, trainStack, type Checkpoint, type Compile, type Keeping, type StackJob } from "../training/train.ts";
import { encodeSafetensors } from "../data/safetensors.ts";
import { listenToFaults } from "./faults.ts";
import { engineHost } from "./cache.ts";
import { die } from "./signals.ts";

const send = (message: WorkerMessage): void => void process.send?.(message);
const tell = (news: News): void => send({ kind: "news", news });

listenToFaults();
/** Loaded at once, while the parent is still reading its spec. */
const loading = engines[process.argv[2] as EngineName].open({ ...engineHost(), say: (note) => tell({ note }) });
loading.catch(() => undefined); // reported with the first task

/** The last program compiled: the stacks of a sweep share it. */
let compiled: { readonly key: string; readonly executable: Executable } | undefined;

const compileWith =
  (engine: Engine): Compile =>
  async (program, options) => {
    const key = `${engine.name} ${JSON.stringify(options)} ${dumpProgram(program)}`;
    if (compiled?.key !== key) {
      const before = compiled;
      compiled = undefined;
      await before?.executable.dispose();
      compiled = { key, executable: await engine.compile(program, options) };
    }
    return compiled.executable;
  };

const now = (): number => performance.now() / 1000;

/** Set when the parent wants the task at hand to be kept and stopped. */
let stopping = false;

/** The run folder of the task at hand, held open as long as tasks are of the same. */
let opened: { readonly folder: OpenFolder; readonly identity: string } | undefined;
function runFolder(handle: FolderHandle): OpenFolder {
  if (opened?.identity !== handle.identity) {
    opened?.folder.close();
    opened = undefined;
    opened = { folder: OpenFolder.reopen(handle), identity: handle.identity };
  }
  return opened.folder;
}

/** A stack's checkpoints: where it begins, and when it is kept. */
function keeping(job: StackJob, { folder: handle, stem, identity, labels, interval, lanes }: Keep): Keeping {
  const folder = runFolder(handle);
  const from = newest(folder, job, stem, identity, lanes);
  if (from !== undefined) tell({ resumedAt: from.state.step });
  let keptAt = now();
  const { steps = Infinity, seconds = Infinity } = interval;
  const write = (checkpoint: Checkpoint, of: StackJob, as: KeptAs): void => {
    // A parent that is gone has left the folder to another.
    if (!process.connected) die();
    const program = programOf(of);
    saveCheckpoint(
      folder,
      as.stem,
      checkpoint.state.step,
      encodeCheckpoint(checkpoint, as.identity, as.labels, (ref) => shapeOf(program, ref)),
    );
  };
  return {
    from,
    nextStep: (step) => (Math.floor(step / steps) + 1) * steps,
    due: (step) => (stopping ? "save and stop" : step % steps === 0 || now() - keptAt >= seconds ? "save" : "go on"),
    save: (checkpoint) => {
      write(checkpoint, job, { stem, identity, labels });
      keptAt = now();
    },
    part: (checkpoint) => {
      partCheckpoint(checkpoint, job).forEach((part, lane) => write(part, jobOfLane(job, lane), lanes[lane]));
    },
  };
}

/** The stack's own newest checkpoint, or where each of its lanes was left in another stack, whichever is further. */
function newest(folder: OpenFolder, job: StackJob, stem: string, identity: string, lanes: readonly KeptAs[]): Checkpoint | undefined {
  const note = (text: string): void => tell({ note: text });
  const own = loadCheckpoint(folder, stem, identity, job, note);
  if (own !== undefined || job.lanes.length === 1) return own;
  const parts = lanes.map((each, lane) => loadCheckpoint(folder, each.stem, each.identity, jobOfLane(job, lane), note));
  return parts.every((part) => part !== undefined) ? joinCheckpoints(parts, job) : undefined;
}
const jobOfLane = (job: StackJob, lane: number): StackJob => ({ ...job, lanes: [job.lanes[lane]] });

async function train(engine: Engine, { job, keep, until, weights }: Task<"train">): Promise<TaskResult<"train"> | undefined> {
  prepared = undefined;
  const { outcomes, state, engineSeconds } = await trainStack(
    compileWith(engine),
    job,
    { now, onProgress: tell },
    keep && keeping(job, keep),
    until,
  );
  if (outcomes === undefined) return undefined;
  if (weights !== undefined) {
    const tensors = parametersOf(job.model).map(({ name: parameter, shape }) => ({
      name: parameter,
      shape,
      data: state.parameters.get(parameter)?.weight as Float32Array,
    }));
    runFolder(weights.folder).write(runFiles.weights, encodeSafetensors(tensors, weights.metadata));
    failpoint("weights.written");
  }
  return { outcomes, engineSeconds };
}

let prepared: { readonly job: string; readonly steps: PreparedSteps } | undefined;

/** What is done for each kind of task; nothing comes of one that was stopped. */
const tasks: { readonly [K in Task["kind"]]: (engine: Engine, task: Task<K>) => Promise<TaskResult<K> | undefined> } = {
  train,
  prepare: async (engine, { job }) => {
    prepared = { job: JSON.stringify(job), steps: await prepareSteps(compileWith(engine), job) };
    return {};
  },
  measure: async (_, { job, seconds }) => {
    if (prepared?.job !== JSON.stringify(job)) throw new Error("measure: another job is prepared");
    return { secondsPerStep: await prepared.steps.time(seconds, now) };
  },
  describe: ({ version, device }) => Promise.resolve({ version, device }),
};

async function answer<K extends Task["kind"]>(task: Task<K>): Promise<WorkerMessage> {
  try {
    const result = await tasks[task.kind](await loading, task);
    return result === undefined ? { kind: "stopped" } : { kind: "done", result };
  } catch (error) {
    const { message: reason, code: systemCode } = error as NodeJS.ErrnoException;
    if (error instanceof UserError) return { kind: "refused", diagnostics: error.diagnostics, exitCode: error.exitCode };
    if (error instanceof EngineUnavailable) return { kind: "unavailable", reason };
    return { kind: "failed", reason, systemCode, outOfMemory: saysOutOfMemory(reason) };
  }
}

process.on("message", (message: Task | StopMessage) => {
  // A stop that follows a task holds for it, although the engine may still be loading.
  stopping = message.kind === "stop";
  if (message.kind !== "stop") void answer(message).then(send);
});
// So that a write beyond a size limit is an error like any other.
if (process.platform !== "win32") process.on("SIGXFSZ", () => undefined);
