/**
 * The messages of a worker process: it does the tasks that its parent sends, one after
 * the other, and answers. What is done for each is in actions.ts; how the process lives
 * and dies is worker.ts's business.
 */
import { engineHost } from "../cache.ts";
import { EngineUnavailable, type EngineName } from "../engines/engine.ts";
import { engines } from "../engines/registry.ts";
import { invariant, UserError } from "../errors.ts";
import { listenToFaults } from "../faults.ts";
import { die } from "../signals.ts";
import { makeActions } from "./actions.ts";
import { saysOutOfMemory } from "./last-words.ts";
import { HeldStore, type Store } from "./store.ts";
import type { News, StopMessage, Task, TaskKind, TaskMessage, WorkerMessage } from "./tasks.ts";

const send = (message: WorkerMessage): void => void process.send?.(message);
const tell = (news: News): void => send({ kind: "news", news });

listenToFaults();
/** Loaded at once, while the parent is still reading its spec. */
const loading = engines[process.argv[2] as EngineName].open({ ...engineHost(), say: (note) => tell({ note }) });
loading.catch(() => undefined); // reported with the first task

/** Set when the parent wants the task at hand to be kept and stopped. */
let stopping = false;
const held = new HeldStore();
const actions = makeActions({
  now: () => performance.now() / 1000,
  tell,
  stopping: () => stopping,
  outliveNobody: () => {
    if (!process.connected) die();
  },
});

async function answer<K extends TaskKind>(task: Task<K>, handle: TaskMessage["store"]): Promise<WorkerMessage> {
  const store = (): Store => {
    invariant(handle !== undefined, task.kind, "the task names keys, and this worker was not told of which store");
    return held.at(handle);
  };
  try {
    const result = await actions[task.kind](await loading, task, store);
    return result === undefined ? { kind: "stopped" } : { kind: "done", result };
  } catch (error) {
    const { message: reason, code: systemCode } = error as NodeJS.ErrnoException;
    if (error instanceof UserError) return { kind: "refused", diagnostics: error.diagnostics, as: error.kind };
    if (error instanceof EngineUnavailable) return { kind: "unavailable", reason };
    return { kind: "failed", reason, systemCode, outOfMemory: saysOutOfMemory(reason) };
  }
}

process.on("message", (message: TaskMessage | StopMessage) => {
  // A stop that follows a task holds for it, although the engine may still be loading.
  stopping = message.kind === "stop";
  if (message.kind !== "stop") void answer(message, message.store).then(send);
});
// So that a write beyond a size limit is an error like any other.
if (process.platform !== "win32") process.on("SIGXFSZ", () => undefined);
