/**
 * The faults that the crash harness injects, each as what it does to a process, or to
 * a folder between two processes. Nothing here judges; torture.ts does.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RandomStream } from "../../src/rng.ts";
import type { Ended } from "./command.ts";

/** A command under way. */
export interface Target {
  readonly pid: number;
  readonly folder: string;
  /** The token file that it trains on. */
  readonly data: string;
  /** Fulfilled when it has ended. */
  readonly ended: Promise<unknown>;
  /** Runs the same command, or another, beside it. */
  readonly beside: (args?: readonly string[], fault?: Fault) => Promise<Ended>;
}

export interface Fault {
  readonly kind: string;
  /** Variables for the process that is struck. */
  readonly environment?: (random: RandomStream) => Readonly<Record<string, string>>;
  /** A limit put on the process by the shell that starts it. */
  readonly limit?: string;
  /** A command that runs it. */
  readonly within?: string;
  /** What happens while it runs; gives whether it was still there to be struck. */
  readonly strike?: (target: Target, random: RandomStream) => Promise<boolean>;
  /** What happens to its folder afterwards; false when there was nothing to do it to. */
  readonly between?: (folder: string, random: RandomStream) => boolean;
  /** Whether `repair` must come before the next process. */
  readonly repair?: true;
}

const sleep = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));
/** A moment of a command that takes a second or more. */
const moment = (random: RandomStream): Promise<void> => sleep(100 + 1000 * random.uniform());
/** Whether the process, or group, was there to get the signal. */
const signal = (pid: number, name: NodeJS.Signals | 0): boolean => {
  try {
    return process.kill(pid, name);
  } catch {
    return false; // it has ended: the fault came too late, which is one of the moments too
  }
};
function workersOf(pid: number): readonly number[] {
  const { stdout } = spawnSync("pgrep", ["-P", String(pid)], { encoding: "utf8" });
  return stdout.split("\n").filter(Boolean).map(Number);
}
const at = (point: string, action: string, most: number) => ({
  environment: (random: RandomStream): Readonly<Record<string, string>> => ({
    MUTRANSFER_FAULTS: `${point}:${1 + random.integer(most)}=${action}`,
  }),
});

const matching = (folder: string, pattern: RegExp): readonly string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => pattern.test(name));
/** Waits for a file that matches; gives whether there was one in some seconds. */
async function begins(folder: string, pattern: RegExp): Promise<boolean> {
  for (let wait = 0; wait < 2000 && matching(folder, pattern).length === 0; wait++) await sleep(2);
  return matching(folder, pattern).length > 0;
}
const checkpoints = /^checkpoints.*\.safetensors$/;
/** Changes a random file of those that match; false when there is none. */
function spoil(folder: string, pattern: RegExp, random: RandomStream, how: (bytes: Buffer) => Buffer): boolean {
  const names = matching(folder, pattern);
  if (names.length === 0) return false;
  const path = join(folder, names[random.integer(names.length)]);
  if (statSync(path).size === 0) return false;
  writeFileSync(path, how(readFileSync(path)));
  return true;
}
const cut = (random: RandomStream) => (bytes: Buffer) => bytes.subarray(0, random.integer(bytes.length));
const flip =
  (random: RandomStream, from = 0) =>
  (bytes: Buffer) => {
    const place = from + random.integer(Math.max(1, bytes.length - from));
    bytes[place] ^= 1 << random.integer(8);
    return bytes;
  };
/** Beyond a journal's first record: without that one there is nothing to go on with. */
const flipBeyondFirstLine = (random: RandomStream) => (bytes: Buffer) => {
  const from = bytes.indexOf(10) + 1;
  return from < bytes.length ? flip(random, from)(bytes) : bytes;
};
/** Inside its last line. */
const cutLastLine = (random: RandomStream) => (bytes: Buffer) => {
  const begin = bytes.lastIndexOf(10, -2) + 1;
  return bytes.subarray(0, begin + random.integer(bytes.length - begin));
};

const killAt = (point: string, most: number): Fault => ({ kind: `killed at ${point}`, ...at(point, "KILL", most) });
const failAt = (point: string, code: string, most: number): Fault => ({ kind: `${code} at ${point}`, ...at(point, code, most) });
const signalled = (kind: string, ...names: readonly NodeJS.Signals[]): Fault => ({
  kind,
  strike: async ({ pid }, random) => {
    await moment(random);
    let struck = false;
    for (const name of names) {
      struck = signal(pid, name);
      await sleep(30 * random.uniform());
    }
    return struck;
  },
});

/** All processes are killed some time after there is a file to spoil, which is then spoiled. */
const spoiled = (kind: string, pattern: RegExp, how: (random: RandomStream) => (bytes: Buffer) => Buffer): Fault => ({
  kind,
  strike: async ({ pid, folder }, random) => {
    await begins(folder, pattern);
    await sleep(300 * random.uniform());
    return signal(-pid, "SIGKILL");
  },
  between: (folder, random) => spoil(folder, pattern, random, how(random)),
});

/** The folder is moved away under a process that has it, which must neither write on nor write to what is there then. */
const movedAway = (kind: string, replace: (folder: string) => void): Fault => ({
  kind,
  strike: async ({ folder, ended }, random) => {
    for (let wait = 0; wait < 2000 && matching(folder, /^lock$/).length === 0; wait++) await sleep(2);
    await sleep(600 * random.uniform());
    renameSync(folder, `${folder}-moved`);
    replace(folder);
    await ended;
    return true;
  },
  between: (folder) => {
    const written = readdirSync(folder).filter((name) => name !== "another's");
    if (written.length > 0) throw new Error(`written to the folder that took its place: ${written.join(", ")}`);
    rmSync(folder, { recursive: true });
    rmSync(`${folder}-other`, { recursive: true, force: true });
    renameSync(`${folder}-moved`, folder);
    return true;
  },
});
const anothers = (folder: string): void => {
  mkdirSync(folder);
  writeFileSync(join(folder, "another's"), "");
};

export const faults: readonly Fault[] = [
  signalled("main process killed", "SIGKILL"),
  {
    kind: "whole group killed",
    strike: async ({ pid }, random) => {
      await moment(random);
      return signal(-pid, "SIGKILL");
    },
  },
  {
    kind: "a worker killed",
    strike: async ({ pid }, random) => {
      await moment(random);
      const workers = workersOf(pid);
      return workers.length > 0 && signal(workers[random.integer(workers.length)], "SIGKILL");
    },
  },
  { kind: "a worker's native crash", ...at("worker.step", "SEGV", 6) },
  { kind: "a worker aborts", ...at("worker.step", "ABRT", 6) },
  { kind: "a worker out of memory", ...at("worker.step", "OOM", 6) },
  signalled("interrupted once", "SIGINT"),
  signalled("interrupted twice", "SIGINT", "SIGINT"),
  signalled("terminated", "SIGTERM"),
  signalled("hung up", "SIGHUP"),
  signalled("SIGUSR1, as before a pre-emption", "SIGUSR1"),
  signalled("SIGUSR2, as before a pre-emption", "SIGUSR2"),
  {
    kind: "plan killed beside it",
    strike: async ({ beside, folder }) => {
      const { orphans } = await beside(["plan", "spec.yaml", "--out", folder], signalled("main process killed", "SIGKILL"));
      if (orphans) throw new Error("a killed plan left its workers behind");
      return true;
    },
  },
  {
    kind: "another PID namespace at once",
    strike: async ({ beside, ended }) => {
      const { code } = await beside(undefined, { kind: "", within: "unshare --pid --fork --mount-proc --kill-child" });
      await ended;
      if (code !== 4 && code !== 0) throw new Error(`a process of another namespace ended with ${String(code)}`);
      return true;
    },
  },
  {
    kind: "stopped, and killed later",
    strike: async ({ pid, beside }, random) => {
      await moment(random);
      if (!signal(pid, "SIGSTOP")) return false;
      // Another process must not take the folder of one that may go on any moment.
      const { code } = await beside();
      if (code !== 4 && code !== 0) throw new Error(`a second process beside a stopped one ended with ${String(code)}`);
      signal(pid, "SIGKILL");
      return signal(pid, "SIGCONT");
    },
  },
  {
    kind: "two processes at once",
    strike: async ({ beside, ended }) => {
      await Promise.all([beside(), ended]);
      return true;
    },
  },
  {
    kind: "ten processes at once",
    strike: async ({ beside, ended }) => {
      await Promise.all([...Array.from({ length: 9 }, () => beside()), ended]);
      return true;
    },
  },
  movedAway("run folder moved and replaced", anothers),
  movedAway("run folder replaced by a link", (folder) => {
    anothers(`${folder}-other`);
    symlinkSync(`${folder}-other`, folder);
  }),
  killAt("lock.taken", 1),
  killAt("journal.before", 6),
  killAt("journal.half", 6),
  killAt("journal.written", 6),
  killAt("journal.synced", 6),
  killAt("checkpoint.before", 6),
  killAt("checkpoint.written", 6),
  killAt("checkpoint.renamed", 6),
  killAt("results.before", 1),
  killAt("results.written", 1),
  killAt("results.renamed", 1),
  failAt("journal.before", "ENOSPC", 6),
  failAt("journal.half", "ENOSPC", 6),
  failAt("journal.written", "EIO", 6),
  failAt("checkpoint.before", "ENOSPC", 6),
  failAt("checkpoint.written", "EDQUOT", 6),
  failAt("results.before", "ENOSPC", 1),
  { kind: "no file may grow beyond 4 KiB", limit: "ulimit -f 8" },
  {
    kind: "the data swapped while it is read",
    strike: async ({ pid, folder, data, ended }, random) => {
      if (!(await begins(folder, checkpoints))) return false;
      await sleep(300 * random.uniform());
      const sound = readFileSync(data);
      // Under the name, size and time of the file that was checked.
      const { atime, mtime } = statSync(data);
      writeFileSync(`${data}.other`, sound.toReversed());
      utimesSync(`${data}.other`, atime, mtime);
      renameSync(`${data}.other`, data);
      const struck = signal(pid, 0);
      await Promise.race([ended, sleep(3000)]);
      writeFileSync(data, sound);
      return struck;
    },
  },
  spoiled("journal's last line cut", /^journal\.jsonl$/, cutLastLine),
  { ...spoiled("journal's byte flipped", /^journal\.jsonl$/, flipBeyondFirstLine), repair: true },
  spoiled("checkpoint cut", checkpoints, cut),
  spoiled("checkpoint's byte flipped", checkpoints, flip),
];
