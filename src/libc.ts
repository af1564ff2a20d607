/**
 * The two calls of the C library that Node does not offer and that only the kernel can
 * answer: a lock on an open file, and dying with one's parent. Where there is no such
 * library, each says so; what to do then is the caller's business.
 */
import { createRequire } from "node:module";
import { constants, platform } from "node:os";

export { pid as ownProcessId } from "node:process";

type Call = (...values: readonly number[]) => number;

/** A function of the C library and the way to read its errno; undefined where there is none (Windows), or no koffi to call it with. */
function functionOf(prototype: string): { readonly call: Call; readonly errno: () => number } | undefined {
  if (platform() === "win32") return undefined;
  try {
    const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
    return { call: koffi.load(null).func(prototype) as Call, errno: () => koffi.errno() };
  } catch {
    return undefined;
  }
}

const [shared, exclusive, withoutWaiting] = [1, 2, 4];
/** Another open file holds the lock. */
const heldByOther: ReadonlySet<number> = new Set([constants.errno.EWOULDBLOCK, constants.errno.EAGAIN]);

/** What the kernel says to somebody who wants a lock. */
export type LockAnswer = "locked" | "held by another" | "no locks here";

/**
 * Locks an open file as a whole, without waiting; the kernel gives the lock back when the file is closed, or its process
 * ends in whatever way (flock(2)). Several may have it `shared`.
 */
export function lockOpenFile(file: number, mode: "exclusive" | "shared"): LockAnswer {
  const flock = functionOf("int flock(int, int)");
  if (flock === undefined) return "no locks here";
  if (flock.call(file, (mode === "exclusive" ? exclusive : shared) | withoutWaiting) === 0) return "locked";
  return heldByOther.has(flock.errno()) ? "held by another" : "no locks here";
}

const setParentDeathSignal = 1;

/** Has the kernel kill this process as soon as its parent has died, even in the middle of a long call; elsewhere than on Linux nothing is done (prctl(2)). */
export function dieWithParent(): void {
  if (platform() !== "linux") return;
  functionOf("int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)")?.call(
    setParentDeathSignal,
    constants.signals.SIGKILL,
    0,
    0,
    0,
  );
}
