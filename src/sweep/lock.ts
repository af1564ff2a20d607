/**
 * One process to a run folder: the kernel's lock on a file, held open, that says whose it
 * is. The kernel gives it back when its holder ends, so nobody judges from a process number
 * who is alive: containers, hidden /proc and host names cannot deceive. On network file
 * systems such locks may not reach other machines: there a file left behind is removed by hand.
 */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from "node:fs";
import { hostname, platform } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { exitCodes, UserError } from "../errors.ts";
import { failpoint } from "../failpoints.ts";
import { lockOpenFile, type LockAnswer } from "../libc.ts";

const holderSchema = z.object({
  pid: z.int().positive(),
  host: z.string(),
  /** The start of the machine, which containers share and machines of the same name do not; empty where it is not known. */
  boot: z.string(),
});
export type Holder = z.infer<typeof holderSchema>;

export interface Lock {
  release(): void;
}

function bootOf(): string {
  try {
    return platform() === "linux" ? readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim() : "";
  } catch {
    return ""; // hidden
  }
}

/** What is asked of the system. */
export interface Kernel {
  readonly lock: typeof lockOpenFile;
  /** Whether locks in this folder are known to every machine that can reach it. */
  readonly isLocal: (folder: string) => boolean;
  readonly boot: () => string;
}

/** NFS, SMB (three), AFS, Ceph, Lustre, GPFS, FUSE, 9p, as statfs(2) numbers them. */
const networkTypes: ReadonlySet<number> = new Set([
  ...[0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x5346414f, 0x00c36400, 0x0bd00bd0, 0x47504653, 0x65735546, 0x01021997],
]);
const thisKernel: Kernel = {
  lock: lockOpenFile,
  isLocal: (folder) => platform() !== "linux" || !networkTypes.has(statfsSync(folder).type),
  boot: bootOf,
};

const lockPath = (folder: string): string => join(folder, "lock");

/** Opens the lock file; undefined when one of those errors says that this is not the way. Neither follows links nor waits for pipes. */
function openLock(path: string, flags: number, ...otherwise: readonly string[]): number | undefined {
  try {
    return openSync(path, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK, 0o644);
  } catch (error) {
    if (otherwise.includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

/** Who an open lock file says has it; undefined when it does not say. */
function holderIn(file: number): Holder | undefined {
  const bytes = Buffer.alloc(4096);
  const text = bytes.toString("utf8", 0, readSync(file, bytes, 0, bytes.length, 0));
  try {
    return holderSchema.parse(JSON.parse(text));
  } catch {
    return undefined; // empty for a moment, or damaged
  }
}

/** Whether the file is still the one at its path: who gives a lock back removes it. */
function isAt(path: string, file: number): boolean {
  const [own, there] = [fstatSync(file), statSync(path, { throwIfNoEntry: false })];
  return own.dev === there?.dev && own.ino === there.ino;
}

/** Whether a lock that nobody holds here is nobody's: a file left on a network may be another machine's, unless this one wrote it since its start. */
function isFree(answer: LockAnswer, folder: string, left: Holder | undefined, { isLocal, boot }: Kernel): boolean {
  if (answer !== "locked") return false;
  return isLocal(folder) || (left !== undefined && left.boot !== "" && left.boot === boot());
}

/** Who has taken the folder and not given it back, and whether that process may still have it; changes nothing. */
export function readHolder(folder: string, kernel = thisKernel): (Holder & { readonly running: boolean }) | undefined {
  const file = openLock(lockPath(folder), constants.O_RDONLY, "ENOENT");
  if (file === undefined) return undefined;
  try {
    const holder = holderIn(file);
    return holder && { ...holder, running: !isFree(kernel.lock(file, "shared"), folder, holder, kernel) };
  } finally {
    closeSync(file);
  }
}

function refusal(folder: string, holder: Holder | undefined, hint: string): UserError {
  const who = holder === undefined ? "another process" : `process ${holder.pid} on ${holder.host}`;
  return new UserError({ code: "folder_locked", message: `${folder} is in use by ${who}`, hint }, exitCodes.locked);
}

/** Others have the lock for a moment, to see whether somebody has. */
const [attempts, pauseMilliseconds] = [5, 20];
const pause = (): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMilliseconds);

/** Takes the folder's lock; throws a UserError (exit 4) that names the holder when somebody has it, or may have. */
export function takeLock(folder: string, kernel = thisKernel): Lock {
  for (let attempt = 1; ; attempt++) {
    const lock = tryLock(folder, kernel, attempt >= attempts);
    if (lock !== undefined) return lock;
    pause();
  }
}

/** The lock; undefined when it changed hands in this moment, or somebody has it and this is not the `last` attempt. */
function tryLock(folder: string, kernel: Kernel, last: boolean): Lock | undefined {
  const path = lockPath(folder);
  const created = openLock(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, "EEXIST");
  const writable = created ?? openLock(path, constants.O_RDWR, "ENOENT", "EACCES");
  const file = writable ?? openLock(path, constants.O_RDONLY, "ENOENT");
  if (file === undefined) return undefined;
  let isOurs = false;
  try {
    const answer = kernel.lock(file, "exclusive");
    if (answer === "held by another") {
      if (!last) return undefined;
      throw refusal(folder, holderIn(file), "wait for it, or give another folder with --out");
    }
    if (!isAt(path, file)) return undefined;
    const left = holderIn(file);
    if (created === undefined && !isFree(answer, folder, left, kernel))
      throw refusal(folder, left, `if nothing runs there any longer, remove ${path}`);
    if (writable === undefined) {
      rmSync(path); // another user's; the next attempt makes its own
      return undefined;
    }
    ftruncateSync(file);
    writeSync(file, JSON.stringify({ pid: process.pid, host: hostname(), boot: kernel.boot() } satisfies Holder), 0);
    isOurs = true;
  } finally {
    if (!isOurs) closeSync(file);
  }
  failpoint("lock.taken");
  return {
    release: () => {
      if (isAt(path, file)) rmSync(path);
      closeSync(file);
    },
  };
}
