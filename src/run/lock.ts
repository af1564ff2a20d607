/**
 * One process to a run folder: the kernel's lock on a file, held open, that says whose it
 * is. The kernel gives it back when its holder ends, so nobody judges from a process number
 * who is alive: containers, hidden /proc and host names cannot deceive. On network file
 * systems such locks may not reach other machines: there a file left behind is removed by hand.
 */
import { closeSync, ftruncateSync, readSync, writeSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { option, UserError } from "../errors.ts";
import { failpoint } from "../failpoints.ts";
import { ownProcessId, type LockAnswer } from "../libc.ts";
import { thisKernel, type Kernel } from "./kernel.ts";
import type { OpenFolder } from "./open-folder.ts";
import { runFiles } from "./run-folder.ts";

const holderSchema = z.object({
  pid: z.int().positive(),
  host: z.string(),
  boot: z.string(),
});
/** Who has a run folder, as its lock file says. */
export type Holder = z.infer<typeof holderSchema>;

/** A run folder's lock, in this process's hands. */
export interface Lock {
  /** Throws a UserError when the folder is no longer in its place (kind io) or somebody else has taken it (kind locked). */
  check(): void;
  release(): void;
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

/** Whether a lock that nobody holds here is nobody's: a file left on a network may be another machine's, unless this one wrote it since its start. */
function isFree(answer: LockAnswer, folder: OpenFolder, left: Holder | undefined, { isLocal, boot }: Kernel): boolean {
  if (answer !== "locked") return false;
  return isLocal(folder.path) || (left !== undefined && left.boot !== "" && left.boot === boot());
}

/** Who has taken the folder and not given it back, and whether that process may still have it; changes nothing. */
export function readHolder(folder: OpenFolder, kernel = thisKernel): (Holder & { readonly running: boolean }) | undefined {
  const file = folder.open(runFiles.lock, "read");
  if (file === undefined) return undefined;
  try {
    const holder = holderIn(file);
    return holder && { ...holder, running: !isFree(kernel.lock(file, "shared"), folder, holder, kernel) };
  } finally {
    closeSync(file);
  }
}

function refusal(folder: OpenFolder, holder: Holder | undefined, hint: string): UserError {
  const who = holder === undefined ? "another process" : `process ${holder.pid} on ${holder.host}`;
  return new UserError({ code: "folder_locked", message: `${folder.path} is in use by ${who}`, hint }, "locked");
}

/** What a process says that finds the folder in other hands: its lock file was removed, or its journal written to by another; throws where the folder is no longer in its place. */
export function takenFrom(folder: OpenFolder): UserError {
  folder.check(); // a folder that was moved in this moment is gone, not taken
  const other = readHolder(folder);
  const who = other === undefined || other.pid === ownProcessId ? "somebody" : `process ${other.pid} on ${other.host}`;
  const what = other === undefined ? "lost its lock file" : `was taken by ${who}`;
  return new UserError(
    {
      code: "folder_taken",
      message: `${folder.path} ${what} while this process had it; nothing more was written`,
      hint: "let one process have it: the same command continues the run when no other is there",
    },
    "locked",
  );
}

/** Others have the lock for a moment, to see whether somebody has. */
const [attempts, pauseMilliseconds] = [5, 20];
const pause = (): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMilliseconds);

/** Takes the folder's lock; throws a UserError of kind locked that names the holder when somebody has it, or may have. */
export function takeLock(folder: OpenFolder, kernel = thisKernel): Lock {
  for (let attempt = 1; ; attempt++) {
    const lock = tryLock(folder, kernel, attempt >= attempts);
    if (lock !== undefined) return lock;
    pause();
  }
}

/** The error's result where it has this code; any other is thrown on. */
function unless<T>(code: string, action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === code) return undefined;
    throw error;
  }
}

/** The lock; undefined when it changed hands in this moment, or somebody has it and this is not the `last` attempt. */
function tryLock(folder: OpenFolder, kernel: Kernel, last: boolean): Lock | undefined {
  const created = unless("EEXIST", () => folder.create(runFiles.lock));
  const writable = created ?? unless("EACCES", () => folder.open(runFiles.lock, "update"));
  const file = writable ?? folder.open(runFiles.lock, "read");
  if (file === undefined) return undefined;
  let isOurs = false;
  try {
    const answer = kernel.lock(file, "exclusive");
    if (answer === "held by another") {
      if (!last) return undefined;
      throw refusal(folder, holderIn(file), `wait for it, or give another folder with ${option("out")}`);
    }
    if (!folder.isHeld(runFiles.lock, file)) return undefined; // who gives a lock back removes its file
    const left = holderIn(file);
    if (created === undefined && !isFree(answer, folder, left, kernel))
      throw refusal(folder, left, `if nothing runs there any longer, remove ${join(folder.path, runFiles.lock)}`);
    if (writable === undefined) {
      folder.remove(runFiles.lock); // another user's; the next attempt makes its own
      return undefined;
    }
    ftruncateSync(file);
    writeSync(file, JSON.stringify({ pid: ownProcessId, host: hostname(), boot: kernel.boot() } satisfies Holder), 0);
    isOurs = true;
  } finally {
    if (!isOurs) closeSync(file);
  }
  failpoint("lock.taken");
  return {
    check: () => {
      folder.check();
      if (!folder.isHeld(runFiles.lock, file)) throw takenFrom(folder);
    },
    release: () => {
      try {
        if (folder.isHeld(runFiles.lock, file)) folder.remove(runFiles.lock);
      } catch (error) {
        // A file that cannot be removed is left: the kernel's lock is what counts, and closing gives that back.
        if (!(error instanceof UserError) && (error as NodeJS.ErrnoException).code === undefined) throw error;
      } finally {
        closeSync(file);
      }
    },
  };
}
