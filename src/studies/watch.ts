/**
 * Follows a run folder while the run goes on: notices that something in it has changed, and has
 * its contents drawn anew, no more often than is worth it. Data only; who shows it, and to whom,
 * is not known here. Takes no lock and writes nothing.
 */
import { setTimeout } from "node:timers/promises";
import { UserError } from "../errors.ts";
import { readHolder } from "../run/lock.ts";
import type { OpenFolder } from "../run/open-folder.ts";
import { openRunFolder, runFiles } from "../run/run-folder.ts";
import { readContents, type FolderContents } from "./folder.ts";
import { readStatuses, type RunStatus, type StatusOfMany } from "./status.ts";

/** Files that a page is made of. */
const shown = ["journal", "progress", "results", "transfer", "prelaunch", "curves", "coordCheck"] as const;
const pollSeconds = 1;
/** Seconds between two drawings, and how many times as long as the last one took. */
const [leastSeconds, timesAsLong] = [2, 10];

/** What changes when anything does that a page shows. */
export function stampOfRun(folder: OpenFolder): string {
  const holder = readHolder(folder);
  const held = holder === undefined ? "" : `${holder.pid} ${holder.running}`;
  return [held, ...shown.map((kind) => folder.stampOf(runFiles[kind]))].join("\n");
}

/** What a watcher is given. */
export interface WatchSetting {
  /** Seconds on a monotonic clock. */
  readonly now: () => number;
  /** Told once when the folder can no longer be read, until it can again; what was drawn last stays. */
  readonly lost: (error: UserError) => void;
}

/** A run folder, and what was drawn of its contents last. */
export class WatchedRun<T> {
  private readonly path: string;
  private readonly mostTrials: number;
  private readonly draw: (contents: FolderContents) => Promise<T>;
  private readonly setting: WatchSetting;
  private stamp = "";
  private last: T | undefined;
  /** When it may be drawn next. */
  private nextAt = -Infinity;
  /** The drawing that is under way. */
  private drawing: Promise<T> | undefined;
  private isLost = false;

  constructor(path: string, mostTrials: number, draw: (contents: FolderContents) => Promise<T>, setting: WatchSetting) {
    this.path = path;
    this.mostTrials = mostTrials;
    this.draw = draw;
    this.setting = setting;
  }

  /** What is in the folder as far as it is worth to be drawn now; throws a UserError when it has never held a run. */
  async current(): Promise<T> {
    if (this.drawing !== undefined) return this.drawing;
    if (this.last !== undefined && this.setting.now() < this.nextAt) return this.last;
    this.drawing = this.renew();
    try {
      return await this.drawing;
    } finally {
      this.drawing = undefined;
    }
  }

  /** Tells `changed` of each new drawing while somebody `isWatching`, until it is aborted. */
  async follow(isWatching: () => boolean, changed: (drawn: T) => void, signal: AbortSignal): Promise<void> {
    let told = this.last;
    while (!signal.aborted) {
      await setTimeout(pollSeconds * 1000, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      if (!isWatching()) continue;
      const drawn = await this.current();
      if (drawn !== told) changed(drawn);
      told = drawn;
    }
  }

  private async renew(): Promise<T> {
    const read = this.read();
    if (read === undefined) return this.last as T;
    const began = this.setting.now();
    const drawn = await this.draw(read.contents);
    const ended = this.setting.now();
    this.nextAt = ended + Math.max(leastSeconds, timesAsLong * (ended - began));
    this.stamp = read.stamp;
    this.last = drawn;
    return drawn;
  }

  /** The folder's contents; undefined when they are as they were, or can no longer be read. */
  private read(): { readonly stamp: string; readonly contents: FolderContents } | undefined {
    try {
      const folder = openRunFolder(this.path, [runFiles.journal, runFiles.curves, runFiles.coordCheck]);
      try {
        this.isLost = false;
        // Before the contents: what changes while they are read is read again.
        const stamp = stampOfRun(folder);
        return stamp === this.stamp ? undefined : { stamp, contents: readContents(folder, this.mostTrials) };
      } finally {
        folder.close();
      }
    } catch (error) {
      if (!(error instanceof UserError) || this.last === undefined) throw error;
      if (!this.isLost) this.setting.lost(error);
      this.isLost = true;
      return undefined;
    }
  }
}

/** Looks at how a run stands about once a second, and tells of it, until it has ended or is aborted; between two of several runs none is in training for a moment. */
export async function watchStatus(path: string, told: (status: RunStatus | StatusOfMany) => void, signal: AbortSignal): Promise<void> {
  for (let idle = 0; ;) {
    const status = readStatuses(path);
    told(status);
    const isRunning = "runs" in status ? status.runs.some(({ phase }) => phase === "running") : status.phase === "running";
    idle = isRunning ? 0 : idle + 1;
    if (idle >= 2) return;
    await setTimeout(pollSeconds * 1000, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
  }
}
