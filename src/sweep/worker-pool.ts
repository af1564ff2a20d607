/**
 * Child processes that train stacks: started on demand, reused, and replaced when
 * they die. A native crash costs the stack in work, never the sweep. What a worker
 * does is the entry file's business (cli/worker.ts).
 */
import { fork, type ChildProcess } from "node:child_process";
import type { EngineName } from "../engines/engine.ts";
import type { Outcome } from "../training/outcome.ts";
import type { Progress, StackJob } from "../training/train.ts";

export interface Task {
  readonly job: StackJob;
  /** When given, the final weights of lane 0 are written there as safetensors, with this metadata. */
  readonly weights?: { readonly path: string; readonly metadata: Readonly<Record<string, string>> };
}

export interface TaskResult {
  /** In lane order. */
  readonly outcomes: readonly Outcome[];
  readonly engineSeconds: number;
}

/** What a worker says, besides nothing at all when it dies. */
export type WorkerMessage =
  | { readonly kind: "progress"; readonly progress: Progress }
  | ({ readonly kind: "done" } & TaskResult)
  | { readonly kind: "failed"; readonly reason: string; readonly systemCode?: string | undefined }
  | { readonly kind: "unavailable"; readonly reason: string };

/** The engine cannot run on this machine: trying again is of no use. */
export class WorkerUnavailable extends Error {}
/** The worker died or its task failed: the task may be tried again. */
export class WorkerFailed extends Error {
  /** The operating system's name of the error, such as ENOSPC, when it was one. */
  readonly systemCode: string | undefined;

  constructor(message: string, systemCode?: string) {
    super(message);
    this.systemCode = systemCode;
  }
}

/** The pool was closed while the task was running or waiting. */
export class PoolClosed extends Error {}

/** How much of a dead worker's last words is kept. */
const stderrLimit = 4000;

/** The line that says why: the one that names an error, or the first. */
function lastWords(stderr: string): string {
  const lines = stderr.split("\n").map((line) => line.trim());
  return (lines.find((line) => /\berror\b/i.test(line)) ?? lines.find(Boolean) ?? "").slice(0, 300);
}

interface Worker {
  readonly child: ChildProcess;
  stderr: string;
}

export class WorkerPool {
  private readonly entry: string;
  private readonly engine: EngineName;
  private readonly idle: Worker[] = [];
  private readonly all = new Set<Worker>();
  private closed = false;

  /** `entry` is the JavaScript file a worker runs, with the engine to load as its argument. */
  constructor(entry: string, engine: EngineName) {
    this.entry = entry;
    this.engine = engine;
  }

  /** Starts workers ahead of their first task, so that they load the engine while the sweep is being planned. */
  warm(count: number): void {
    while (this.idle.length < count) this.idle.push(this.start());
  }

  /** Runs a task on an idle or new worker; rejects with WorkerFailed, WorkerUnavailable or PoolClosed. */
  run(task: Task, onProgress: (progress: Progress) => void): Promise<TaskResult> {
    if (this.closed) return Promise.reject(new PoolClosed());
    const worker = this.idle.pop() ?? this.start();
    const { child } = worker;
    return new Promise((resolve, reject) => {
      const settle = (finish: () => void, reusable: boolean): void => {
        child.off("message", onMessage).off("exit", onExit).off("error", onError);
        if (reusable) this.idle.push(worker);
        finish();
      };
      const onMessage = (message: WorkerMessage): void => {
        if (message.kind === "progress") return onProgress(message.progress);
        if (message.kind === "done") return settle(() => resolve(message), true);
        const failure =
          message.kind === "failed" ? new WorkerFailed(message.reason, message.systemCode) : new WorkerUnavailable(message.reason);
        settle(() => reject(failure), true);
      };
      const onExit = (code: number | null, signal: string | null): void => {
        if (this.closed) return settle(() => reject(new PoolClosed()), false);
        const words = lastWords(worker.stderr);
        const how = signal === null ? `exited with code ${code}` : `was killed by ${signal}`;
        settle(() => reject(new WorkerFailed(`the worker process ${how}${words ? `: ${words}` : ""}`)), false);
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

  /** Ends every worker, busy or not. */
  close(): void {
    this.closed = true;
    for (const { child } of this.all) child.kill("SIGKILL");
  }

  private start(): Worker {
    const child = fork(this.entry, [this.engine], { serialization: "advanced", stdio: ["ignore", "ignore", "pipe", "ipc"] });
    const worker: Worker = { child, stderr: "" };
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
