/**
 * The run folder's files: whole files are replaced atomically (temporary file,
 * fsync, rename, folder fsync), so that a reader never sees half of one.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, writeSync } from "node:fs";
import { platform } from "node:os";
import { dirname } from "node:path";
import { exitCodes, UserError } from "../errors.ts";
import { failpoint } from "../failpoints.ts";

/** Creates a folder and its parents; one that is there must be a run folder's like. */
export function makeRunDirectory(path: string): void {
  mkdirSync(path, { recursive: true });
  refuseLinks(path);
}

const filesOfRuns =
  /^(journal\.jsonl|results\.json|trials\.csv|transfer\.json|prelaunch\.json|coord-check\.json|curves\.json|weights\.safetensors|probe\.json|lock)(\.|$)/;
const foldersOfRuns = /^checkpoints$/;

/**
 * Throws a UserError (exit 3) when what a run reads and writes in its folder is anything but files: writing through a link
 * would change something outside of the folder, and reading from a pipe would wait forever.
 */
export function refuseLinks(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (filesOfRuns.test(entry.name) ? entry.isFile() : !foldersOfRuns.test(entry.name) || entry.isDirectory()) continue;
    throw new UserError(
      {
        code: "no_plain_file",
        message: `${folder}: ${entry.name} is no ${filesOfRuns.test(entry.name) ? "file" : "folder"} of its own, but ${entry.isSymbolicLink() ? "a link" : "something else"}`,
        hint: "move it away, or give another folder with --out",
      },
      exitCodes.disagreement,
    );
  }
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
  rmSync(path, { force: true });
  const file = openSync(path, "wx"); // never through a link that lies there
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
