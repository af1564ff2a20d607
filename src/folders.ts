/**
 * Folders that a person names are made with their parents. Node's own way tries for ever where a
 * file system has no folders to make, as /proc has none. Removes nothing, and changes no folder that is there.
 */
import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/** Makes a folder and its parents unless they are there; throws the system's error, and ENOENT where nothing can be made. */
export function makeFolder(path: string, mode?: number): void {
  try {
    mkdirSync(path, mode);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return;
    const parent = dirname(path);
    if (code !== "ENOENT" || parent === path || statSync(parent, { throwIfNoEntry: false }) !== undefined) throw error;
    makeFolder(parent, mode);
    mkdirSync(path, mode);
  }
}
