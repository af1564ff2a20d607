/** A run folder in the hands of one process that does not add to its journal: the folder with its lock, given back together. */
import { takeLock, type Lock } from "./lock.ts";
import { closedUnless, type OpenFolder } from "./open-folder.ts";
import { removeLeftovers } from "./run-folder.ts";

/** A folder and its lock. */
export interface HeldFolder {
  readonly folder: OpenFolder;
  readonly lock: Pick<Lock, "check">;
  close(): void;
}

/** Takes the lock of a folder, which is the holder's from then on; throws a UserError when somebody else has it. */
export function holdFolder(folder: OpenFolder): HeldFolder {
  const lock = closedUnless(folder, () => takeLock(folder));
  const held = { folder, lock, close: () => giveBack(lock, folder) };
  try {
    removeLeftovers(folder);
    return held;
  } catch (error) {
    held.close();
    throw error;
  }
}

/** Releases a folder's lock, and closes the folder whatever comes of that. */
export function giveBack(lock: Pick<Lock, "release">, folder: OpenFolder): void {
  try {
    lock.release();
  } finally {
    folder.close();
  }
}
