/**
 * Child processes that train stacks: started on demand, reused, and replaced when
 * they die. A native crash costs the stack in work, never the sweep. What a worker
 * does is the entry file's business (cli/worker.ts).
 */
import { fork, type ChildProcess } from "node:child_process";
import type { Device, EngineName } from "../engines/engine.ts";
import { invariant, UserError, type Diagnostic, type ExitCode } from "../errors.ts";
import type { Outcome } from "../training/outcome.ts";
import type { Progress, StackJob } from "../training/train.ts";
import type { FolderHandle } from "./open-folder.ts";

/** What a worker can be asked for, and what it answers. */
interface Tasks {
  train: {
    readonly task: {
      readonly job: StackJob;
      /** The step to stop at, when that is not the last. */
      readonly until?: number;
      /** Where and how often the stack is kept while it trains; it goes on from what is kept there already. */
      readonly keep?: Keep;
      /** When given, the final weights of lane 0 are written to that run folder as safetensors, with this metadata. */
      readonly weights?: { readonly folder: FolderHandle; readonly metadata: Readonly<Record<string, string>> };
    };
    /** Outcomes in lane order. */
    readonly result: { readonly outcomes: readonly Outcome[]; readonly engineSeconds: number };
  };
  /** Compiles a job and makes its first steps, which are slower than the rest, so that it can be timed. */
  prepare: { readonly task: { readonly job: StackJob }; readonly result: object };
  /** Times the steps that a job makes in about so many seconds; the worker must have prepared it last. */
  measure: { readonly task: { readonly job: StackJob; readonly seconds: number }; readonly result: { readonly secondsPerStep: number } };
  describe: { readonly task: object; readonly result: EngineDescription };
}
/** How often a stack is kept: every so many steps, or whenever so many seconds have passed since it was. */
export interface Interval {
  readonly steps?: number;
  readonly seconds?: number;
}
/** What some checkpoints are called and say of themselves. */
export interface KeptAs {
  /** Among the folder's checkpoints, without step and suffix. */
  readonly stem: string;
  readonly identity: string;
  readonly labels: Readonly<Record<string, string>>;
}
export interface Keep extends KeptAs {
  /** The run's. */
  readonly folder: FolderHandle;
  readonly interval: Interval;
  /** Of each lane for itself: where it was left at the end of an earlier stack, and is left at the end of this one. */
  readonly lanes: readonly KeptAs[];
}

/** What a worker reports of a task that is under way. */
export type News = Progress | { readonly resumedAt: number } | { readonly note: string };

type TaskKind = keyof Tasks;
export type Task<K extends TaskKind = TaskKind> = { readonly [P in K]: { readonly kind: P } & Tasks[P]["task"] }[K];
export type TaskResult<K extends TaskKind> = Tasks[K]["result"];

/** What the engine of a worker says of itself. */
export interface EngineDescription {
  readonly version: string;
  readonly device: Device;
}

/** What a worker says, besides nothing at all when it dies. */
export type WorkerMessage =
  | { readonly kind: "news"; readonly news: News }
  | { readonly kind: "done"; readonly result: TaskResult<TaskKind> }
  | { readonly kind: "failed"; readonly reason: string; readonly systemCode?: string | undefined; readonly outOfMemory?: boolean }
  | { readonly kind: "stopped" }
  | { readonly kind: "unavailable"; readonly reason: string }
  /** Something that a user can mend, and that trying again does not. */
  | { readonly kind: "refused"; readonly diagnostics: readonly Diagnostic[]; readonly exitCode: ExitCode };

/** What a worker is told besides its tasks. */
export interface StopMessage {
  readonly kind: "stop";
}

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

/** The line that says why: the one that names an error, or the first. */
function lastWords(stderr: string): string {
  const lines = stderr.split("\n").map((line) => line.trim());
  return (lines.find((line) => /\berror\b/i.test(line)) ?? lines.find(Boolean) ?? "").slice(0, 300);
}

/** How the many allocators between here and a GPU say that they have nothing left. */
export function saysOutOfMemory(text: string): boolean {
  const wanting = /out.?of.?(device.?|host.?)?memory|\bOOM\b|resource.?exhausted|bad_alloc|alloc(ation)?_?.?failed|failed to allocate/i;
  const refused = /cannot allocate|not enough memory|exceeds the max buffer size|invalid (typed )?array (buffer )?length/i;
  return wanting.test(text) || refused.test(text);
}

type Environment = Readonly<Record<string, string | undefined>>;

interface Worker {
  readonly child: ChildProcess;
  /** Its place among the pool's environments. */
  readonly slot: number;
  stderr: string;
}

export class WorkerPool {
  private readonly entry: string;
  private readonly engine: EngineName;
  /** Variables of the first worker, the second, …; more workers than that share them in turn. None: this process's own. */
  private readonly environments: readonly Environment[];
  private readonly idle: Worker[] = [];
  private readonly all = new Set<Worker>();
  private closed = false;

  /** `entry` is the JavaScript file a worker runs, with the engine to load as its argument. */
  constructor(entry: string, engine: EngineName, environments: readonly Environment[] = []) {
    this.entry = entry;
    this.engine = engine;
    this.environments = environments;
  }

  /** Starts workers ahead of their first task, so that they load the engine while the sweep is being planned; none once it is closed. */
  warm(count: number): void {
    while (!this.closed && this.all.size < count) this.idle.push(this.start());
  }

  /** Runs a task on an idle or new worker; rejects with WorkerFailed, WorkerUnavailable, PoolClosed, or what the user must mend. */
  run<K extends TaskKind>(task: Task<K>, onNews: (news: News) => void = () => undefined): Promise<TaskResult<K>> {
    if (this.closed) return Promise.reject(new PoolClosed());
    // The worker that became idle last: who has prepared a job is asked to measure it.
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
      const onMessage = (message: WorkerMessage): void => {
        if (message.kind === "news") return onNews(message.news);
        if (message.kind === "done") return settle(() => resolve(message.result), true);
        if (message.kind === "stopped") return settle(() => reject(new WorkerStopped()), true);
        if (message.kind === "unavailable") return settle(() => reject(new WorkerUnavailable(message.reason)), true);
        if (message.kind === "refused") return settle(() => reject(new UserError(message.diagnostics, message.exitCode)), true);
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
      child.send(task);
    });
  }

  /** Of the workers that are alive. */
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
    const child = fork(this.entry, [this.engine], {
      serialization: "advanced",
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      ...(environment && { env: { ...environment } }),
    });
    const worker: Worker = { child, slot, stderr: "" };
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (worker.stderr = (worker.stderr + text).slice(-stderrLimit)));
    child.once("exit", () => {
      this.all.delete(worker);
      const index = this.idle.indexOf(worker);
      if (index >= 0) this.idle.splice(index, 1);
    });
    this.all.add(worker);
    return worker;
  }
}
