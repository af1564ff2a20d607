/**
 * A run folder in the hands of one process: its lock, its journal, and the state that
 * the journal adds up to. The only way to change a run.
 */
import { refuseChangedData, type Identified } from "../data/manifest.ts";
import { option, UserError } from "../errors.ts";
import type { CompleteSpec } from "../spec/complete.ts";
import { specDifferences, type SpecDifference } from "../spec/differences.ts";
import { Journal, scanJournal, type Damage, type Extent, type Scan } from "./journal.ts";
import { giveBack } from "./hold.ts";
import { takeLock, type Lock } from "./lock.ts";
import { closedUnless, type OpenFolder } from "./open-folder.ts";
import type { JournalRecord, RunRecord } from "./records.ts";
import { refuseLinks, removeLeftovers, runFiles } from "./run-folder.ts";
import { RunState, type TrialSummary } from "./state.ts";
import type { TrialResult } from "./trial-result.ts";

/** What a new plan has to match, to be the run that is in the folder. */
export interface Identity {
  readonly spec: CompleteSpec;
  readonly specHash: string;
  readonly data: Identified;
}

/** A run that this process has. */
export class Run {
  readonly folder: OpenFolder;
  readonly state = new RunState();
  /** What a reader of the terminal should know of how the run was found. */
  readonly notes: string[] = [];
  private readonly lock: Lock;
  private journal: Journal | undefined;

  private constructor(folder: OpenFolder, lock: Lock) {
    this.folder = folder;
    this.lock = lock;
  }

  /** Takes a folder, which is the run's from then on, and replays its journal, if it has one. */
  static open(folder: OpenFolder): Run {
    closedUnless(folder, () => refuseLinks(folder));
    const run = new Run(
      folder,
      closedUnless(folder, () => takeLock(folder)),
    );
    try {
      removeLeftovers(folder);
      if (folder.has(runFiles.journal)) run.openJournal();
      return run;
    } catch (error) {
      run.close();
      throw error;
    }
  }

  /** Begins a run in a folder that has none. */
  begin(record: Omit<RunRecord, "record" | "version">, version: RunRecord["version"]): void {
    this.openJournal();
    this.append([{ record: "run", version, ...record }]);
  }

  /** Refuses a plan that is not this run's (kind disagreement), with what differs; with `extend`, more trials are taken in. */
  match(identity: Identity, extend: boolean): void {
    const { run, spec, specHash } = this.state;
    if (run === undefined || spec === undefined) return;
    refuseChangedData(identity.data, run.environment.data_hash, this.folder.path);
    if (identity.specHash === specHash) return;
    const differences = specDifferences(spec, identity.spec);
    const isExtension = differences.every(({ extending }) => extending);
    if (extend && isExtension) this.append([{ record: "extended", spec: identity.spec, spec_hash: identity.specHash }]);
    else throw anotherSpec(this.folder.path, differences, isExtension);
  }

  /** Makes results count: when this returns they are on disk. */
  acknowledge(trials: readonly TrialResult[]): void {
    this.append(trials.map((trial) => ({ record: "trial", trial })));
  }

  /** Forgets how some trials ended, so that they are trained again. */
  again(ids: readonly number[]): void {
    this.append([{ record: "again", trials: [...ids] }]);
  }

  /** A trial's whole result, read from the journal. */
  result({ extent }: TrialSummary): TrialResult {
    const record = this.journal?.read(extent);
    if (record?.record !== "trial") throw new Error(`Run.result: no trial at ${extent.offset}`);
    return record.trial;
  }

  /** Throws a UserError when its folder or its journal is no longer in its place (kind io), or another process has taken it (kind locked). */
  check(): void {
    this.lock.check();
    this.journal?.check();
  }

  close(): void {
    try {
      this.journal?.close();
    } finally {
      this.journal = undefined;
      giveBack(this.lock, this.folder);
    }
  }

  private openJournal(): void {
    this.journal = Journal.open(this.folder, runFiles.journal, (record, extent) => this.state.apply(record, extent));
    const { tornFile } = this.journal;
    if (tornFile !== undefined)
      this.notes.push(`the journal's last line had been cut short by a crash; what there was of it is in ${tornFile}`);
  }

  private append(records: readonly JournalRecord[]): void {
    if (this.journal === undefined) throw new Error("Run.append: the run has not begun");
    this.lock.check();
    const extents: readonly Extent[] = this.journal.append(records);
    records.forEach((record, index) => this.state.apply(record, extents[index]));
  }
}

function anotherSpec(folder: string, differences: readonly SpecDifference[], isExtension: boolean): UserError {
  const lines = differences.map(({ path, before, after }) => `  ${path}: ${before} → ${after}`);
  return new UserError(
    {
      code: "run_of_another_spec",
      message: `${folder} holds a run with another spec:\n${lines.join("\n")}`,
      hint: isExtension
        ? `${option("extend")} adds to that run; ${option("out")} begins another`
        : `give another folder with ${option("out")}, or undo the change`,
    },
    "disagreement",
  );
}

/** Replays a journal without the lock and without changing anything; damaged lines are listed instead of refused. */
export function readRun(folder: OpenFolder): { readonly state: RunState; readonly scan: Scan; readonly damages: readonly Damage[] } {
  const state = new RunState();
  const damages: Damage[] = [];
  const scan = scanJournal(
    folder,
    runFiles.journal,
    (record, extent) => state.apply(record, extent),
    (damage) => damages.push(damage),
  );
  return { state, scan, damages };
}
