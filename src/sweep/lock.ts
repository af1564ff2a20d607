/**
 * One process to a run folder: a lock file that names its holder. Another process is
 * refused as long as the holder may be alive; a lock is taken over only when its
 * holder is provably dead: on this machine, and either before its last start or under
 * a process number that nobody, or somebody else, has now.
 */
import { execFileSync } from "node:child_process";
import { linkSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, platform } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { exitCodes, UserError } from "../errors.ts";
import { failpoint } from "../failpoints.ts";

const holderSchema = z.object({
  pid: z.int().positive(),
  /** When the process started, in the system's own words; a number may be used again, but not since the same moment. */
  started: z.string(),
  /** Changes with every start of the machine. */
  boot: z.string(),
  host: z.string(),
});
export type Holder = z.infer<typeof holderSchema>;

export interface Lock {
  release(): void;
}

/** What the system says of a process's start; empty when there is no such process, or no way to know. */
function startOf(pid: number): string {
  try {
    if (platform() === "linux") {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      // The name, in parentheses, may hold anything; the start is the 22nd field, 20 after it.
      return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
    }
    if (platform() === "win32") return "";
    return execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).trim();
  } catch {
    return "";
  }
}

function bootOf(): string {
  try {
    if (platform() === "linux") return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    if (platform() === "darwin") return execFileSync("sysctl", ["-n", "kern.boottime"], { encoding: "utf8" }).trim();
  } catch {
    // Without it a dead holder is told by its process number alone.
  }
  return "";
}

const holderOf = (pid: number): Holder => ({ pid, started: startOf(pid), boot: bootOf(), host: hostname() });

/** Whether the holder cannot be running any longer. */
export function isDead(holder: Holder, isAlive: (pid: number) => boolean): boolean {
  if (holder.host !== hostname()) return false;
  if (holder.boot !== bootOf()) return true;
  return !isAlive(holder.pid) || startOf(holder.pid) !== holder.started;
}

/** Who holds the folder's lock, if anybody ever took it and did not give it back. */
export function readHolder(folder: string): Holder | undefined {
  return readLock(lockPath(folder));
}

const lockPath = (folder: string): string => join(folder, "lock");

function readLock(path: string): Holder | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    return holderSchema.parse(JSON.parse(text));
  } catch {
    throw new UserError(
      {
        code: "lock_unreadable",
        message: `${path} does not say who holds it`,
        hint: "make sure that nothing runs in this folder, then remove it",
      },
      exitCodes.locked,
    );
  }
}

/** The process that asks, and how it finds out about others. */
export interface Self {
  readonly pid: number;
  readonly isAlive: (pid: number) => boolean;
}

/** File systems without hard links; a reader may then see the lock before its content. */
const withoutLinks: ReadonlySet<string | undefined> = new Set(["EPERM", "ENOSYS", "ENOTSUP", "EOPNOTSUPP"]);

/** Creates `path` with its content in one step; false when it is there already. */
function create(path: string, content: string, pid: number): boolean {
  const own = `${path}.${pid}`;
  writeFileSync(own, content);
  try {
    linkSync(own, path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return false;
    if (!withoutLinks.has(code)) throw error;
  } finally {
    rmSync(own, { force: true });
  }
  try {
    writeFileSync(path, content, { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

const locked = (folder: string, { pid, host }: Holder): UserError =>
  new UserError(
    {
      code: "folder_locked",
      message: `${folder} is in use by process ${pid} on ${host}`,
      hint:
        host === hostname()
          ? "wait for it, or give another folder with --out"
          : `if nothing runs there any longer, remove ${lockPath(folder)}`,
    },
    exitCodes.locked,
  );

/** Takes the folder's lock; throws a UserError (exit 4) that names the holder when somebody has it. */
export function takeLock(folder: string, self: Self): Lock {
  const path = lockPath(folder);
  const me = JSON.stringify(holderOf(self.pid));
  while (!create(path, me, self.pid)) {
    const holder = readLock(path);
    if (holder === undefined) continue; // given back in this moment
    if (!isDead(holder, self.isAlive)) throw locked(folder, holder);
    removeOf(path, holder, me, self, folder);
  }
  failpoint("lock.taken");
  return {
    release: () => {
      if (JSON.stringify(readLock(path)) === me) rmSync(path);
    },
  };
}

/** Removes a dead holder's lock; of several who want to, one does, so that nobody removes the lock of who came first. */
function removeOf(path: string, dead: Holder, me: string, self: Self, folder: string): void {
  const guard = `${path}.takeover`;
  if (!create(guard, me, self.pid)) {
    const other = readLock(guard);
    if (other === undefined) return;
    if (!isDead(other, self.isAlive)) throw locked(folder, other);
    rmSync(guard, { force: true });
    return;
  }
  try {
    if (JSON.stringify(readLock(path)) === JSON.stringify(dead)) rmSync(path);
  } finally {
    rmSync(guard, { force: true });
  }
}
