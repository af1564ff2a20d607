/**
 * The run folder's checkpoints: the last two of each stack in training, each written
 * atomically, so that one is always whole. Finds them, and cleans up after those that
 * are no longer needed.
 */
import { closeSync, fstatSync, readSync } from "node:fs";
import { join } from "node:path";
import { maxHeaderBytes, readHeader } from "../data/safetensors.ts";
import { UserError } from "../errors.ts";
import { hashOf } from "../hash.ts";
import { checkpointBytes, decodeCheckpoint } from "../training/checkpoint.ts";
import type { Checkpoint, Training } from "../training/train.ts";
import type { OpenFolder } from "./open-folder.ts";
import { runFolders } from "./run-folder.ts";
import type { Member } from "./trial.ts";

const kept = 2;
const suffix = ".safetensors";
const namePattern = /^(.+)-(\d+)\.safetensors$/;

/** What the checkpoints of some trials that train together are called, without step and suffix. */
export function checkpointStem(members: readonly Member[]): string {
  const [first] = members;
  const one = `trial-${first?.id}-seed-${first?.seed}`;
  const many = `trials-${first?.id}-to-${members.at(-1)?.id}-${hashOf(members.map(({ id, seed }) => [id, seed])).slice(0, 8)}`;
  return members.length === 1 ? one : many;
}
/** What the checkpoints of the target, or of the check before it, are called at a width. */
export const stemOf = (kind: "target" | "check", width: number): string => `${kind}-${width}`;

interface Kept {
  readonly name: string;
  readonly step: number;
}

/** Does something in a run's folder of checkpoints, if there is one. */
function inCheckpoints<T>(run: OpenFolder, action: (folder: OpenFolder) => T): T | undefined {
  const folder = run.inside(runFolders.checkpoints);
  try {
    return folder && action(folder);
  } finally {
    folder?.close();
  }
}

/** A folder's checkpoints by stem, the newest first. */
function checkpointsIn(folder: OpenFolder): ReadonlyMap<string, readonly Kept[]> {
  const found = new Map<string, Kept[]>();
  for (const name of folder.names) {
    const [, stem, step] = namePattern.exec(name) ?? [];
    if (stem === undefined) continue;
    const checkpoints = found.get(stem) ?? [];
    checkpoints.push({ name, step: Number(step) });
    found.set(stem, checkpoints);
  }
  for (const checkpoints of found.values()) checkpoints.sort((a, b) => b.step - a.step);
  return found;
}

const ofStem = (folder: OpenFolder, stem: string): readonly Kept[] => checkpointsIn(folder).get(stem) ?? [];
/** Whether there is any. */
export const hasCheckpoints = (run: OpenFolder): boolean => inCheckpoints(run, (folder) => checkpointsIn(folder).size > 0) ?? false;
/** Checkpoints of a stem, the newest first. */
export const checkpointsOf = (run: OpenFolder, stem: string): readonly Kept[] => inCheckpoints(run, (folder) => ofStem(folder, stem)) ?? [];

/** Writes a checkpoint and removes all but the one before it. */
export function saveCheckpoint(run: OpenFolder, stem: string, step: number, pieces: Iterable<Uint8Array>): void {
  const folder = run.makeInside(runFolders.checkpoints);
  try {
    folder.write(`${stem}-${step}${suffix}`, pieces, "checkpoint");
    for (const { name } of ofStem(folder, stem).slice(kept)) folder.remove(name);
  } finally {
    folder.close();
  }
}

/** The newest checkpoint that is whole and of this training; `note` is told of each that is not. */
export function loadCheckpoint(
  run: OpenFolder,
  stem: string,
  identity: string,
  training: Training,
  note: (text: string) => void,
): Checkpoint | undefined {
  const most = checkpointBytes(training) + maxHeaderBytes + 8;
  return inCheckpoints(run, (folder) => {
    for (const { name } of ofStem(folder, stem)) {
      const bytes = readWhole(folder, name, most);
      const checkpoint = typeof bytes === "string" ? bytes : decodeCheckpoint(bytes, identity, training);
      if (typeof checkpoint !== "string") return checkpoint;
      note(`${join(folder.path, name)} is not used: ${checkpoint}`);
    }
    return undefined;
  });
}

/** A file's bytes, of which there may be more than one call to the system can read, or why there are none. */
function readWhole(folder: OpenFolder, name: string, most: number): Buffer | string {
  let file: number | undefined;
  try {
    file = folder.open(name, "read");
    if (file === undefined) return "it is not there any longer";
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
    if (error instanceof UserError) throw error;
    return (error as Error).message;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** Removes every checkpoint of a stem. */
export function removeCheckpoints(run: OpenFolder, stem: string): void {
  inCheckpoints(run, (folder) => removeOf(folder, stem));
}
function removeOf(folder: OpenFolder, stem: string): void {
  for (const { name } of ofStem(folder, stem)) folder.remove(name);
}

/** Removes a training's checkpoints, and their folder when nothing else is in it. */
export function removeLastCheckpoints(run: OpenFolder, stem: string): void {
  removeCheckpoints(run, stem);
  run.removeInside(runFolders.checkpoints);
}

/** Trials that a checkpoint holds together, and the step that it is of. */
export interface CheckpointedStack {
  readonly members: readonly Member[];
  readonly step: number;
}

/** Stacks that have checkpoints, by their members and the newest step. */
export const checkpointedStacks = (run: OpenFolder): readonly CheckpointedStack[] => inCheckpoints(run, stacksIn) ?? [];

function stacksIn(folder: OpenFolder): readonly CheckpointedStack[] {
  return [...checkpointsIn(folder).values()].flatMap((checkpoints) => {
    for (const { name, step } of checkpoints) {
      const members = membersIn(folder, name);
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

function membersIn(folder: OpenFolder, name: string): readonly Member[] | undefined {
  let file: number | undefined;
  try {
    file = folder.open(name, "read");
    if (file === undefined) return undefined;
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

/**
 * Removes checkpoints of trials that need none, and files that a killed process left half-written.
 * Only while nothing is in training: the folder goes when it is empty.
 */
export function cleanCheckpoints(run: OpenFolder, isNeeded: (member: Member) => boolean): void {
  inCheckpoints(run, (folder) => {
    for (const name of folder.names) if (name.endsWith(".tmp")) folder.remove(name);
    for (const { members } of stacksIn(folder)) if (!members.some(isNeeded)) removeOf(folder, checkpointStem(members));
  });
  run.removeInside(runFolders.checkpoints);
}
