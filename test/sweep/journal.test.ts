import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { UserError } from "../../src/errors.ts";
import { journalVersion, openJournal, replayJournal, type JournalHeader } from "../../src/sweep/journal.ts";
import type { TrialResult } from "../../src/sweep/trial-result.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();
const header: JournalHeader = {
  version: journalVersion,
  name: "x",
  spec_hash: "spec",
  data_hash: "data",
  engine: "engine",
  mutransfer: "0",
};
const trial = (id: number, loss: number | null = 2): TrialResult => ({
  id,
  seed: 1,
  hyperparameters: { learning_rate: 0.01 },
  status: loss === null ? "diverged" : "completed",
  validation_loss: loss,
  steps: 10,
  curve: [{ step: 10, training_loss: null, validation_loss: loss }],
});
const code = (action: () => unknown): readonly [string, number] => {
  try {
    action();
  } catch (error) {
    if (error instanceof UserError) return [error.diagnostics[0]?.code ?? "", error.exitCode];
    throw error;
  }
  return ["", 0];
};

function written(name: string, count: number): string {
  const path = join(folder, name);
  const journal = openJournal(path, header);
  for (let id = 0; id < count; id++) journal.append(trial(id));
  journal.close();
  return path;
}

describe("the journal", () => {
  it("gives back what was appended", () => {
    const path = written("plain.jsonl", 2);
    const journal = openJournal(path, header);
    expect([...journal.replay.trials.values()]).toEqual([trial(0), trial(1)]);
    journal.append(trial(2, null));
    journal.close();
    expect(replayJournal(readFileSync(path), path).trials.get(2)).toEqual(trial(2, null));
  });

  it("cut at any byte loses at most its last record, and grows on", () => {
    const path = written("whole.jsonl", 3);
    const bytes = readFileSync(path);
    const ends = [...bytes.entries()].flatMap(([index, byte]) => (byte === 10 ? [index + 1] : []));
    const cut = join(folder, "cut.jsonl");
    for (let length = 0; length <= bytes.length; length++) {
      writeFileSync(cut, bytes.subarray(0, length));
      const complete = ends.filter((end) => end <= length).length;
      const journal = openJournal(cut, header);
      expect(journal.replay.trials.size, `cut at ${length}`).toBe(Math.max(0, complete - 1));
      journal.append(trial(9));
      journal.close();
      expect([...replayJournal(readFileSync(cut), cut).trials.keys()]).toEqual([
        ...Array.from({ length: Math.max(0, complete - 1) }, (_, id) => id),
        9,
      ]);
    }
  });

  it("keeps a trial's first record, unless it failed", () => {
    const path = join(folder, "twice.jsonl");
    const journal = openJournal(path, header);
    for (const each of [trial(0, 2), trial(0, 3), { ...trial(1, null), status: "failed" as const }, trial(1, 4)]) journal.append(each);
    journal.close();
    expect([...replayJournal(readFileSync(path), path).trials.values()]).toEqual([trial(0, 2), trial(1, 4)]);
  });

  it("refuses a damaged line in its middle, naming it", () => {
    const path = written("damaged.jsonl", 3);
    const lines = readFileSync(path, "utf8").split("\n");
    writeFileSync(path, [lines[0], lines[1]?.slice(5), lines[2], ""].join("\n"));
    expect(code(() => openJournal(path, header))).toEqual(["journal_damaged", 3]);
    expect(() => openJournal(path, header)).toThrow(/damaged\.jsonl:2/);
  });

  it("refuses a line whose content was changed, and bytes that are no text", () => {
    const path = written("edited.jsonl", 2);
    const text = readFileSync(path, "utf8");
    writeFileSync(path, text.replace('"validation_loss":2', '"validation_loss":1'));
    expect(code(() => openJournal(path, header))).toEqual(["journal_damaged", 3]);
    const bytes = Buffer.from(text);
    bytes[text.indexOf('"x"') + 1] = 0xff;
    writeFileSync(path, bytes);
    expect(code(() => openJournal(path, header))).toEqual(["journal_damaged", 3]);
    expect(readFileSync(path)).toEqual(bytes);
  });

  it("refuses the run of another spec, other data or another engine", () => {
    const path = written("mine.jsonl", 1);
    for (const key of ["spec_hash", "data_hash", "engine"] as const)
      expect(code(() => openJournal(path, { ...header, [key]: "other" }))).toEqual(["run_of_another_spec", 3]);
  });
});
