/**
 * Child processes that train stacks: started on demand, reused, and replaced when
 * they die. A native crash costs the stack in work, never the sweep. What a worker
 * does is the entry file's business (workers/worker.ts).
 */
import { fork, type ChildProcess } from "node:child_process";
import type { EngineName } from "../engines/engine.ts";
import { invariant, UserError } from "../errors.ts";
import type { FolderHandle } from "../run/open-folder.ts";
import { lastWords, saysOutOfMemory } from "./last-words.ts";
import type { News, StopMessage, Task, TaskKind, TaskMessage, TaskResult, WorkerMessage } from "./tasks.ts";

/** The engine cannot run on this machine: trying again is of no use. */
export class WorkerUnavailable extends Error {}
/** The worker died or its task failed: the task may be tried again. */
export class WorkerFailed extends Error {
  /** The operating system's name of the error, such as ENOSPC, when it was one. */
  readonly systemCode: string | undefined;
  /** Whether less at once might have gone well. */
  readonly outOfMemory: boolean;

  constructor(message: string, { systemCode, outOfMemory = false }: { systemCode?: string | undefined; outOfMemory?: boolean } = {}) {
    super(message);
    this.systemCode = systemCode;
    this.outOfMemory = outOfMemory;
  }
}

/** The task was stopped on request, and what it had come to is kept. */
export class WorkerStopped extends Error {}
/** The pool was closed while the task was running or waiting. */
export class PoolClosed extends Error {}

/** How much of a dead worker's last words is kept. */
const stderrLimit = 4000;

type Variables = Readonly<Record<string, string | undefined>>;

interface Worker {
  readonly child: ChildProcess;
  /** Its place among the pool's environments. */
  readonly slot: number;
  stderr: string;
}

/** The workers of one engine. */
export class WorkerPool {
  private readonly script: string;
  private readonly engine: EngineName;
  /** Variables of the first worker, the second, …; more workers than that share them in turn. None: this process's own. */
  private readonly environments: readonly Variables[];
  private readonly idle: Worker[] = [];
  private readonly all = new Set<Worker>();
  private store: FolderHandle | undefined;
  private closed = false;

  /** `entry` is the JavaScript file a worker runs, with the engine to load as its argument. */
  constructor(entry: string, engine: EngineName, environments: readonly Variables[] = []) {
    this.script = entry;
    this.engine = engine;
    this.environments = environments;
  }

  /** Starts workers ahead of their first task, so that they load the engine while the sweep is being planned; none once it is closed. */
  warm(count: number): void {
    while (!this.closed && this.all.size < count) this.idle.push(this.start());
  }

  /** Says where workers keep what the keys of their tasks name, from the next task on. */
  keepIn(store: FolderHandle): void {
    this.store = store;
  }

  /** Runs a task on an idle or new worker; rejects with WorkerFailed, WorkerUnavailable, PoolClosed, what the user must mend, or what `onNews` throws. */
  run<K extends TaskKind>(task: Task<K>, onNews: (news: News) => void = () => undefined): Promise<TaskResult<K>> {
    if (this.closed) return Promise.reject(new PoolClosed());
    // The worker that became idle last: who has prepared a training is asked to measure it.
    const worker = this.idle.pop() ?? this.start();
    const { child } = worker;
    worker.stderr = "";
    /** Why the worker is being ended: what it has allocated, and a device that it has lost, go with its process only. */
    let failure: WorkerFailed | undefined;
    return new Promise((resolve, reject) => {
      const settle = (finish: () => void, reusable: boolean): void => {
        child.off("message", onMessage).off("exit", onExit).off("error", onError);
        if (reusable) this.idle.push(worker);
        finish();
      };
      const tell = (news: News): void => {
        try {
          onNews(news);
        } catch (thrown) {
          child.kill("SIGKILL");
          // It is passed on as it was thrown, an Error or not.
          const error = thrown as Error;
          settle(() => reject(error), false);
        }
      };
      const onMessage = (message: WorkerMessage): void => {
        // Whatever a worker had sent before it was ended, nobody waits for any longer; its exit follows.
        if (this.closed) return;
        if (message.kind === "news") return tell(message.news);
        if (message.kind === "done") return settle(() => resolve(message.result), true);
        if (message.kind === "stopped") return settle(() => reject(new WorkerStopped()), true);
        if (message.kind === "unavailable") return settle(() => reject(new WorkerUnavailable(message.reason)), true);
        if (message.kind === "refused") return settle(() => reject(new UserError(message.diagnostics, message.as)), true);
        failure = new WorkerFailed(message.reason, message);
        child.kill("SIGKILL");
      };
      const onExit = (code: number | null, signal: string | null): void => {
        if (this.closed) return settle(() => reject(new PoolClosed()), false);
        const reason = failure;
        if (reason !== undefined) return settle(() => reject(reason), false);
        const words = lastWords(worker.stderr);
        const how = signal === null ? `exited with code ${code}` : `was killed by ${signal}`;
        // Systems that run out of memory kill without a word.
        const outOfMemory = saysOutOfMemory(worker.stderr) || (signal === "SIGKILL" && words === "");
        settle(() => reject(new WorkerFailed(`the worker process ${how}${words ? `: ${words}` : ""}`, { outOfMemory })), false);
      };
      const onError = (error: Error): void => settle(() => reject(new WorkerFailed(error.message)), false);
      child.on("message", onMessage).on("exit", onExit).on("error", onError);
      if (child.exitCode !== null || child.signalCode !== null) return onExit(child.exitCode, child.signalCode);
      const message: TaskMessage = { ...(task as Task), store: this.store };
      child.send(message);
    });
  }

  /** Process ids of the workers that are alive. */
  get processIds(): readonly number[] {
    return [...this.all].flatMap(({ child }) => child.pid ?? []);
  }

  /** Has every worker keep what it is doing and stop. */
  stop(): void {
    for (const { child } of this.all) if (child.connected) child.send({ kind: "stop" } satisfies StopMessage);
  }

  /** Ends every worker, busy or not, and for good. */
  close(): void {
    this.closed = true;
    for (const { child } of this.all) child.kill("SIGKILL");
  }

  private start(): Worker {
    invariant(!this.closed, "WorkerPool.start", "the pool is closed");
    const taken = new Set([...this.all].map(({ slot }) => slot));
    let slot = 0;
    while (taken.has(slot)) slot++;
    const environment = this.environments[slot % this.environments.length];
    const child = fork(this.script, [this.engine], {
      serialization: "advanced",
      // A worker runs its script and nothing that the process was started with: no program in an argument, and no debugger.
      execArgv: [],
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      ...(environment && { env: { ...environment } }),
    });
    const worker: Worker = { child, slot, stderr: "" };
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (worker.stderr = (worker.stderr + text).slice(-stderrLimit)));
    const forget = (): void => {
      this.all.delete(worker);
      const index = this.idle.indexOf(worker);
      if (index >= 0) this.idle.splice(index, 1);
    };
    child.once("exit", forget);
    // One that cannot be started has no exit, and nobody may be waiting for it; one that cannot be told to stop has died.
    child.on("error", () => {
      if (child.pid === undefined) forget();
    });
    this.all.add(worker);
    return worker;
  }
}
