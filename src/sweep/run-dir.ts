/**
 * The run folder's files: whole files are replaced atomically (temporary file,
 * fsync, rename, folder fsync), so that a reader never sees half of one.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { platform } from "node:os";
import { dirname } from "node:path";
import { failpoint } from "../failpoints.ts";

/** Creates a folder and its parents. */
export function makeRunDirectory(path: string): void {
  mkdirSync(path, { recursive: true });
}

/** Makes a rename durable; Windows cannot open folders and needs no such call. */
export function syncFolder(path: string): void {
  if (platform() === "win32") return;
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function writeDurably(path: string, pieces: Iterable<string | Uint8Array>): void {
  const file = openSync(path, "w");
  try {
    for (const piece of pieces) {
      const bytes = typeof piece === "string" ? Buffer.from(piece) : piece;
      for (let written = 0; written < bytes.length;) written += writeSync(file, bytes, written);
    }
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Replaces the file at `path` by the given pieces, all or nothing; `what` names its failpoints. */
export function writeAtomically(path: string, pieces: Iterable<string | Uint8Array>, what?: "results" | "checkpoint"): void {
  const temporary = `${path}.tmp`;
  try {
    if (what) failpoint(`${what}.before`);
    writeDurably(temporary, pieces);
    if (what) failpoint(`${what}.written`);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncFolder(dirname(path));
  if (what) failpoint(`${what}.renamed`);
}
