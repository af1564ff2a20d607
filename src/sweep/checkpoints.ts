/**
 * The run folder's checkpoints: the last two of each stack in training, each written
 * atomically, so that one is always whole. Finds them, and cleans up after those that
 * are no longer needed.
 */
import { closeSync, fstatSync, mkdirSync, openSync, readSync, readdirSync, rmSync, rmdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { maxHeaderBytes, readHeader } from "../data/safetensors.ts";
import { hashOf } from "../hash.ts";
import type { StackJob } from "../training/train.ts";
import { checkpointBytes, decodeCheckpoint } from "../training/checkpoint.ts";
import type { Checkpoint } from "../training/train.ts";
import { writeAtomically } from "./run-dir.ts";
import type { Member } from "./trials.ts";

const kept = 2;
const suffix = ".safetensors";
const folderOf = (runFolder: string): string => join(runFolder, "checkpoints");
const namePattern = /^(.+)-(\d+)\.safetensors$/;

/** What the checkpoints of some trials that train together are called, without step and suffix. */
export function checkpointStem(runFolder: string, members: readonly Member[]): string {
  const [first] = members;
  const one = `trial-${first?.id}-seed-${first?.seed}`;
  const many = `trials-${first?.id}-to-${members.at(-1)?.id}-${hashOf(members.map(({ id, seed }) => [id, seed])).slice(0, 8)}`;
  return join(folderOf(runFolder), members.length === 1 ? one : many);
}
export const jobStem = (runFolder: string, kind: "target" | "check", width: number): string =>
  join(folderOf(runFolder), `${kind}-${width}`);

interface Kept {
  readonly path: string;
  readonly step: number;
}

/** A folder's checkpoints by stem (without the folder), the newest first. */
function checkpointsIn(folder: string): ReadonlyMap<string, readonly Kept[]> {
  const found = new Map<string, Kept[]>();
  for (const name of names(folder)) {
    const [, stem, step] = namePattern.exec(name) ?? [];
    if (stem === undefined) continue;
    const checkpoints = found.get(stem) ?? [];
    checkpoints.push({ path: join(folder, name), step: Number(step) });
    found.set(stem, checkpoints);
  }
  for (const checkpoints of found.values()) checkpoints.sort((a, b) => b.step - a.step);
  return found;
}

/** Checkpoints of a stem, the newest first. */
export const checkpointsOf = (stem: string): readonly Kept[] => checkpointsIn(dirname(stem)).get(basename(stem)) ?? [];

/** Writes a checkpoint and removes all but the one before it. */
export function saveCheckpoint(stem: string, step: number, pieces: Iterable<Uint8Array>): void {
  mkdirSync(dirname(stem), { recursive: true });
  writeAtomically(`${stem}-${step}${suffix}`, pieces, "checkpoint");
  for (const { path } of checkpointsOf(stem).slice(kept)) rmSync(path, { force: true });
}

/** The newest checkpoint that is whole and of this job; `note` is told of each that is not. */
export function loadCheckpoint(stem: string, identity: string, job: StackJob, note: (text: string) => void): Checkpoint | undefined {
  const most = checkpointBytes(job) + maxHeaderBytes + 8;
  for (const { path } of checkpointsOf(stem)) {
    const bytes = readWhole(path, most);
    const checkpoint = typeof bytes === "string" ? bytes : decodeCheckpoint(bytes, identity, job);
    if (typeof checkpoint !== "string") return checkpoint;
    note(`${path} is not used: ${checkpoint}`);
  }
  return undefined;
}

/** A file's bytes, of which there may be more than one call to the system can read, or why there are none. */
function readWhole(path: string, most: number): Buffer | string {
  let file: number | undefined;
  try {
    file = openSync(path, "r");
    const { size } = fstatSync(file);
    if (size > most) return "it is larger than a checkpoint of this run can be";
    const bytes = Buffer.alloc(size);
    for (let read = 0; read < size;) {
      const got = readSync(file, bytes, read, Math.min(size - read, 2 ** 30), read);
      if (got === 0) return "it ended while it was being read";
      read += got;
    }
    return bytes;
  } catch (error) {
    return (error as Error).message;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

export function removeCheckpoints(stem: string): void {
  for (const { path } of checkpointsOf(stem)) rmSync(path, { force: true });
}

/** Removes a job's checkpoints, and their folder when nothing else is in it. */
export function removeLastCheckpoints(stem: string): void {
  removeCheckpoints(stem);
  removeIfEmpty(dirname(stem));
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Something is in it, or it is not there.
  }
}

/** Stacks that have checkpoints, by their members and the newest step. */
export function checkpointedStacks(runFolder: string): readonly { readonly members: readonly Member[]; readonly step: number }[] {
  return [...checkpointsIn(folderOf(runFolder)).values()].flatMap((checkpoints) => {
    for (const { path, step } of checkpoints) {
      const members = membersIn(path);
      if (members !== undefined) return [{ members, step }];
    }
    return [];
  });
}

/** Metadata of a stack's checkpoint that say which trials are in it. */
export const memberLabels = (members: readonly Member[]): Readonly<Record<string, string>> => ({
  trials: JSON.stringify(members.map(({ id, seed }) => ({ id, seed }))),
});

const headerBytes = 1 << 20;

function membersIn(path: string): readonly Member[] | undefined {
  let file: number | undefined;
  try {
    file = openSync(path, "r");
    const start = Buffer.alloc(headerBytes);
    const header = readHeader(start.subarray(0, readSync(file, start, 0, headerBytes, 0)));
    if (typeof header === "string") return undefined;
    const members: unknown = JSON.parse(header.metadata["trials"] ?? "null");
    const isMember = (each: unknown): each is Member =>
      typeof each === "object" && each !== null && Number.isInteger((each as Member).id) && Number.isInteger((each as Member).seed);
    return Array.isArray(members) && members.length > 0 && members.every(isMember) ? members : undefined;
  } catch {
    return undefined; // damaged: whoever loads it says so
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** Files in a folder; links and pipes are none. */
function names(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isFile() ? [entry.name] : []));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/**
 * Removes checkpoints of trials that need none, and files that a killed process left half-written.
 * Only while nothing is in training: the folder goes when it is empty.
 */
export function cleanCheckpoints(runFolder: string, isNeeded: (member: Member) => boolean): void {
  const folder = folderOf(runFolder);
  for (const name of names(folder)) if (name.endsWith(".tmp")) rmSync(join(folder, name), { force: true });
  for (const { members } of checkpointedStacks(runFolder))
    if (!members.some(isNeeded)) removeCheckpoints(checkpointStem(runFolder, members));
  removeIfEmpty(folder);
}
