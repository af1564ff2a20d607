/**
 * Contestants: processes that train the same work and are timed in turn. Each prints
 * its first losses when it is ready, and then its seconds per step of one model for
 * each number of seconds that it is asked to train.
 */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import { cores as usableCores } from "../src/engines/cores.ts";
import type { EngineName, Precision } from "../src/engines/engine.ts";
import type { Work } from "./work.ts";

const python = process.env["MUTRANSFER_BENCH_PYTHON"] ?? "python3";
export const cores = usableCores();
const pins = spawnSync("taskset", ["--version"]).status === 0;

const peers = fileURLToPath(new URL("../../bench/peers/", import.meta.url));
export const contestant = fileURLToPath(new URL("./contestant.js", import.meta.url));
export type Command = (work: Work, threads: number) => readonly string[];

/** One of this project's engines. */
export const ours =
  (engine: EngineName, options: { readonly stack?: number; readonly precision?: Precision; readonly mode?: "eager" } = {}): Command =>
  (work, threads) => [
    ...[process.execPath, contestant, JSON.stringify({ ...work, stack: options.stack ?? work.stack }), engine],
    ...[String(threads), options.precision ?? "float32", options.mode ?? ""],
  ];
/** A script under bench/peers. */
export const peer =
  (script: string, ...args: readonly string[]): Command =>
  (work, threads) => [python, `${peers}${script}.py`, JSON.stringify(work), String(threads), ...args];

export class Contestant {
  readonly name: string;
  readonly losses: readonly number[];
  private readonly processes: readonly {
    readonly child: ChildProcess;
    readonly lines: AsyncIterator<string>;
    readonly reader: Interface;
  }[];

  private constructor(name: string, losses: readonly number[], processes: Contestant["processes"]) {
    this.name = name;
    this.losses = losses;
    this.processes = processes;
  }

  /** One process per core, each pinned where the system can pin; or one process for all cores. Ended if it is not ready in time. */
  static async start(
    name: string,
    command: Command,
    work: Work,
    environment: Readonly<Record<string, string>> = {},
    mostSeconds = 600,
  ): Promise<Contestant | string> {
    const threads = work.whole_machine ? cores : 1;
    const processes = Array.from({ length: cores / threads }, (_, core) => {
      const pin = pins && !work.whole_machine ? ["taskset", "-c", String(core)] : [];
      const [file, ...args] = [...pin, ...command(work, threads)];
      const child = spawn(file, args, {
        stdio: ["pipe", "pipe", "pipe"],
        env: { ...process.env, OMP_NUM_THREADS: String(threads), ...environment },
      });
      const reader = createInterface({ input: child.stdout });
      let words = "";
      child.stderr.setEncoding("utf8").on("data", (text: string) => (words += text));
      child.stdin.on("error", () => undefined);
      return { child, reader, lines: reader[Symbol.asyncIterator](), words: () => words };
    });
    let losses: readonly number[] = [];
    const timer = setTimeout(() => processes.forEach(({ child }) => child.kill("SIGKILL")), 1000 * mostSeconds);
    try {
      for (const { child, lines, words } of processes) {
        const line = await lines.next();
        if (!line.done) ({ losses } = JSON.parse(line.value) as { losses: readonly number[] });
        else {
          const reason = child.killed ? `not ready in ${mostSeconds.toFixed(0)} s` : lastWords(words());
          for (const other of processes) other.child.kill("SIGKILL");
          return `${name}: ${reason}`;
        }
      }
    } finally {
      clearTimeout(timer);
    }
    return new Contestant(name, losses, processes);
  }

  /** Seconds per step of one model of one process while all train at once: the mean over processes. */
  async run(seconds: number): Promise<number> {
    for (const { child } of this.processes) child.stdin?.write(`${seconds}\n`);
    const times = await Promise.all(
      this.processes.map(
        async ({ lines }) => (JSON.parse((await lines.next()).value as string) as { seconds_per_step: number }).seconds_per_step,
      ),
    );
    return times.reduce((a, b) => a + b) / times.length;
  }

  /** Resolves when its processes have ended, and with them what they held of a GPU's memory. */
  async stop(): Promise<void> {
    const ended = this.processes.map(async ({ child, reader }) => {
      reader.close();
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill();
      await once(child, "exit");
    });
    await Promise.all(ended);
  }
}

/** The last line that names an error, or the last of all. */
function lastWords(text: string): string {
  const lines = text.trim().split("\n");
  return (lines.findLast((line) => /^[\w.]*(?:Error|Exception)\b/.test(line)) ?? lines.at(-1) ?? "").slice(0, 500) || "ended";
}

export const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** Refuses to time what is wrong: every contestant must report the same losses, within `tolerance` of it in nats. */
export function checkLosses(own: Contestant, others: readonly Contestant[], tolerance: (name: string) => number): void {
  for (const other of others) {
    const worst = Math.max(...other.losses.map((loss, step) => Math.abs(loss - own.losses[step])));
    if (!(worst < tolerance(other.name)))
      throw new Error(
        `${other.name} and ${own.name} do not train the same model: losses ${other.losses.join(" ")} against ${own.losses.join(" ")}`,
      );
  }
}
