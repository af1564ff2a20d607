/** The journal against every cut, every flipped byte, and lines that were doubled, moved or lost. */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { exitCodes } from "../../src/cli/exit-codes.ts";
import { UserError } from "../../src/errors.ts";
import { Journal, scanJournal } from "../../src/run/journal.ts";
import type { JournalRecord } from "../../src/run/records.ts";
import { repairJournal, type Repair } from "../../src/run/repair.ts";
import { OpenFolder } from "../../src/run/open-folder.ts";
import { runFiles } from "../../src/run/run-folder.ts";
import { RunState } from "../../src/run/state.ts";
import { temporaryFolder } from "../support/folder.ts";
import { runRecord, trial, trialRecord } from "../support/run.ts";

const folder = temporaryFolder();
const { journal: journalName } = runFiles;
const openAt = (path: string, visit: (record: JournalRecord) => void = () => undefined): Journal =>
  Journal.open(OpenFolder.make(dirname(path)), basename(path), visit);
const repairAt = (path: string): Repair => repairJournal(OpenFolder.make(path));
/** Identity of a failed action, or nothing when it did not fail. */
const refusal = (action: () => unknown): readonly [string, number] | undefined => {
  try {
    action();
  } catch (error) {
    if (error instanceof UserError) return [error.diagnostics[0].code, exitCodes[error.kind]];
    throw error;
  }
  return undefined;
};

it("is not written to when another process has been there", () => {
  const path = join(folder, "taken.jsonl");
  const [mine, others] = [openAt(path), openAt(path)];
  others.append([runRecord]);
  const before = readFileSync(path);
  expect(refusal(() => mine.append([runRecord]))).toEqual(["folder_taken", 4]);
  expect(readFileSync(path)).toEqual(before);
});

function recordsIn(path: string): readonly JournalRecord[] {
  const records: JournalRecord[] = [];
  scanJournal(OpenFolder.make(dirname(path)), basename(path), (record) => records.push(record));
  return records;
}
function written(name: string, records: readonly JournalRecord[]): string {
  const path = join(folder, name);
  const journal = openAt(path);
  for (const record of records) journal.append([record]);
  journal.close();
  return path;
}
const four = [runRecord, trialRecord(0), trialRecord(1, 1.5), trialRecord(2, null)];

/** A run folder with a journal of these bytes. */
function runFolder(name: string, bytes: Buffer): string {
  const path = join(folder, name);
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path);
  writeFileSync(join(path, journalName), bytes);
  return path;
}

describe("the journal", () => {
  it("gives back what was appended, one by one or several at once, and where each lies", () => {
    const path = written("plain.jsonl", four.slice(0, 2));
    const seen: JournalRecord[] = [];
    const journal = openAt(path, (record) => seen.push(record));
    expect(seen).toEqual(four.slice(0, 2));
    const places = journal.append(four.slice(2));
    expect(places.map((place) => journal.read(place))).toEqual(four.slice(2));
    journal.close();
    expect(recordsIn(path)).toEqual(four);
  });

  it("cut at any byte loses at most its last record, keeps what there was of it, and grows on", () => {
    const bytes = readFileSync(written("whole.jsonl", four));
    const ends = [...bytes.entries()].flatMap(([index, byte]) => (byte === 10 ? [index] : []));
    for (let length = 0; length <= bytes.length; length++) {
      const cut = join(runFolder("cut", bytes.subarray(0, length)), journalName);
      // A line that lacks nothing but its newline is whole.
      const complete = ends.filter((end) => end <= length).length;
      const next = complete === 0 ? runRecord : trialRecord(3);
      const journal = openAt(cut);
      journal.append([next]);
      journal.close();
      expect(recordsIn(cut), `cut at ${length}`).toEqual([...four.slice(0, complete), next]);
      const rest = bytes.subarray(complete === 0 ? 0 : ends[complete - 1] + 1, length);
      expect(journal.tornFile === undefined ? Buffer.alloc(0) : readFileSync(journal.tornFile)).toEqual(rest);
    }
  });

  it("with any byte changed is refused at its line and not touched; repaired, it lacks that line only", () => {
    const bytes = readFileSync(written("flipped.jsonl", four));
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at] ^= 1 << (at % 8);
      const path = runFolder("flip", changed);
      const file = join(path, journalName);
      expect(
        refusal(() => openAt(file)),
        `byte ${at}`,
      ).toEqual(["journal_damaged", 3]);
      expect(readFileSync(file).equals(changed)).toBe(true);
      const { hasRun, quarantined } = repairAt(path);
      const line = bytes.subarray(0, at).filter((byte) => byte === 10).length;
      if (line === 0) {
        expect([hasRun, readFileSync(file).equals(changed)]).toEqual([false, true]);
        continue;
      }
      const kept = recordsIn(file);
      expect(quarantined.length).toBeGreaterThan(0);
      expect(kept.length).toBeGreaterThanOrEqual(four.length - 2); // a newline that is gone joins two lines
      for (const record of kept) expect(four).toContainEqual(record);
      expect(readdirSync(path)).toContain(`${journalName}.damaged-1`);
    }
  });

  it.each<[string, (lines: string[]) => string[]]>([
    ["doubled", (lines) => [...lines.slice(0, 2), lines[1], ...lines.slice(2)]],
    ["moved", ([run, first, second, third]) => [run, second, first, third]],
    ["lost", ([run, first, , third]) => [run, first, third]],
    ["emptied", ([run, first, , third]) => [run, first, "", third]],
  ])("with a line %s is refused, and repaired without losing the others", (what, change) => {
    const lines = readFileSync(written(`${what}.jsonl`, four), "utf8")
      .trim()
      .split("\n");
    const path = runFolder("changed", Buffer.from(`${change(lines).join("\n")}\n`));
    const file = join(path, journalName);
    expect(refusal(() => openAt(file))).toEqual(["journal_damaged", 3]);
    expect(repairAt(path).hasRun).toBe(true);
    const kept = recordsIn(file);
    for (const record of what === "lost" || what === "emptied" ? four.filter((_, index) => index !== 2) : four)
      expect(kept).toContainEqual(record);
    expect(kept).toHaveLength(new Set(kept.map((record) => JSON.stringify(record))).size);
  });

  it("is left alone by a repair when nothing is wrong with it", () => {
    const bytes = readFileSync(written("sound.jsonl", four));
    const path = runFolder("sound", bytes);
    expect(repairAt(path)).toMatchObject({ quarantined: [], hasRun: true });
    expect(readFileSync(join(path, journalName)).equals(bytes)).toBe(true);
    expect(readdirSync(path)).toEqual([journalName]);
  });

  it("of another version is refused for that", () => {
    const path = join(folder, "older.jsonl");
    const journal = openAt(path);
    journal.append([{ ...runRecord, version: 1 } as unknown as JournalRecord]);
    journal.close();
    expect(() => openAt(path)).toThrow(/has version 1, and this program knows version 3/);
  });

  it("never writes over what it put aside before", () => {
    const bytes = readFileSync(written("torn.jsonl", four));
    const path = runFolder("torn", bytes.subarray(0, -5));
    const file = join(path, journalName);
    for (const expected of ["", "-1", "-2"]) {
      writeFileSync(file, bytes.subarray(0, -5));
      const journal = openAt(file);
      journal.close();
      expect(journal.tornFile).toBe(`${file}.torn-3${expected}`);
      expect(existsSync(`${file}.torn-3${expected}`)).toBe(true);
    }
  });
});

describe("what records add up to", () => {
  const stateOf = (...records: readonly JournalRecord[]): RunState => {
    const state = new RunState();
    records.forEach((record, offset) => state.apply(record, { offset, bytes: 0 }));
    return state;
  };
  it("counts a trial's first result, unless it failed", () => {
    const failed: JournalRecord = { record: "trial", trial: { ...trial(1), status: "failed", validation_loss: null } };
    const state = stateOf(runRecord, trialRecord(0, 2), trialRecord(0, 3), failed, trialRecord(1, 4));
    expect(state.trials.map(({ id, validationLoss }) => [id, validationLoss])).toEqual([
      [0, 2],
      [1, 4],
    ]);
  });
  it("forgets trials that are to be trained again", () => {
    const state = stateOf(runRecord, trialRecord(0), trialRecord(1), { record: "again", trials: [0, 7] }, trialRecord(2));
    expect(state.trials.map(({ id }) => id)).toEqual([1, 2]);
    expect(
      stateOf(runRecord, trialRecord(0), { record: "again", trials: [0] }, trialRecord(0, 5)).of({ id: 0, seed: 1 })?.validationLoss,
    ).toBe(5);
  });
  it("tells trials of one number apart by their seeds", () => {
    const state = stateOf(runRecord, { record: "trial", trial: trial(0, 2, 1) }, { record: "trial", trial: trial(0, 3, 2) });
    expect([1, 2, 3].map((seed) => state.of({ id: 0, seed })?.validationLoss)).toEqual([2, 3, undefined]);
  });
  it("has the spec that the run was extended to", () => {
    const longer = { ...runRecord.spec, search: { ...runRecord.spec.search, trials: 9 } };
    expect(stateOf(runRecord, { record: "extended", spec: longer, spec_hash: "h" })).toMatchObject({ spec: longer, specHash: "h" });
  });
});
