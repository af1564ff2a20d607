/** Records with sound checksums that no run comes to: refused at their line, put aside by a repair, and never part of a run. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { hashOf } from "../../src/hash.ts";
import { underFirstRules, type CompleteSpec } from "../../src/spec/complete.ts";
import { encodeLine } from "../../src/run/journal-lines.ts";
import { OpenFolder } from "../../src/run/open-folder.ts";
import { repairJournal } from "../../src/run/repair.ts";
import { runFiles } from "../../src/run/run-folder.ts";
import { readRun, Run } from "../../src/run/run.ts";
import { temporaryFolder } from "../support/folder.ts";
import { runRecord, trial, trialRecord } from "../support/run.ts";

const folder = temporaryFolder();
let made = 0;
function folderWith(...records: readonly object[]): OpenFolder {
  const path = join(folder, String(made++));
  mkdirSync(path);
  writeFileSync(join(path, runFiles.journal), records.map((record, seq) => encodeLine(seq, record)).join(""));
  return OpenFolder.make(path);
}
const { spec } = runRecord;
const { steps } = spec.train;
const point = (step: number, loss: number | null = 2): object => ({ step, training_loss: null, validation_loss: loss });
const withTrial = (change: object): object => ({ record: "trial", trial: { ...trial(1), ...change } });
const withSpec = (change: object): { readonly spec: object; readonly spec_hash: string } => {
  const other = { ...spec, ...change };
  return { spec: other, spec_hash: hashOf(other) };
};

describe("what no run comes to", () => {
  it.each<[string, object]>([
    ["a trial below zero", withTrial({ id: -1 })],
    ["a trial beyond the plan", withTrial({ id: spec.search.trials })],
    ["a trial beyond all plans", withTrial({ id: 2 ** 53 - 1 })],
    ["a seed below zero", withTrial({ seed: -5 })],
    ["a seed that the plan has not", withTrial({ seed: 77 })],
    ["a loss far below zero", withTrial({ validation_loss: -1e308, curve: [] })],
    ["a loss that had diverged", withTrial({ validation_loss: 1e4, curve: [] })],
    ["a loss of a trial that diverged", withTrial({ status: "diverged" })],
    ["no loss of a trial that completed", withTrial({ validation_loss: null })],
    ["no loss of a trial that learned nothing", withTrial({ status: "untrained", validation_loss: null })],
    ["steps below zero", withTrial({ steps: -1, curve: [] })],
    ["steps beyond the plan", withTrial({ steps: steps + 1 })],
    ["a trial that was stopped at its end", withTrial({ steps, status: "stopped" })],
    ["a curve that goes back", withTrial({ curve: [point(0), point(10), point(5)] })],
    ["a curve that stands still", withTrial({ curve: [point(0), point(0)] })],
    ["a curve from before the first step", withTrial({ curve: [point(-1)] })],
    ["a curve beyond the trial's steps", withTrial({ curve: [point(11)] })],
    ["a curve with a loss below zero", withTrial({ curve: [point(0, -3)] })],
    ["a learning rate of zero", withTrial({ hyperparameters: { learning_rate: 0 } })],
    ["a hyperparameter that nobody has", withTrial({ hyperparameters: { toString: 1 } })],
    [
      "an infinite learning rate",
      JSON.parse(JSON.stringify(withTrial({})).replace('"learning_rate":0.01', '"learning_rate":1e999')) as object,
    ],
    ["a second run", runRecord],
    ["another spec that extends nothing", { record: "extended", ...withSpec({ seed: 2 }) }],
    ["a spec with another's hash", { record: "extended", spec, spec_hash: "h" }],
    ["a trial to be trained again that there is not", { record: "again", trials: [4] }],
  ])("%s is refused at its line, and put aside by a repair", (_, record) => {
    const run = folderWith(runRecord, trialRecord(0), record, trialRecord(2));
    const { damages, state } = readRun(run);
    expect(damages.map(({ line }) => line)).toEqual([3]);
    expect(state.trials.map(({ id }) => id)).toEqual([0, 2]);
    expect(() => Run.open(run)).toThrow(`${runFiles.journal}:3: `);
    const again = OpenFolder.make(run.path);
    expect(repairJournal(again)).toMatchObject({ quarantined: [3], hasRun: true });
    const { state: repaired, damages: left } = readRun(again);
    expect([repaired.trials.map(({ id }) => id), left]).toEqual([[0, 2], []]);
  });

  it.each<[string, object]>([
    ["that begins with a trial", trialRecord(0)],
    ["whose spec is not the one of its hash", { ...runRecord, spec_hash: "h" }],
    ["of a spec beyond all bounds", { ...runRecord, ...withSpec({ train: { ...spec.train, batch: 2 ** 53 - 1 } }) }],
  ])("a journal %s is refused at its first line", (_, first) => {
    expect(readRun(folderWith(first, trialRecord(1))).damages.map(({ line }) => line)).toEqual([1]);
  });

  it("nothing learned nothing under rules that do not say so", () => {
    const under = (rules: CompleteSpec): readonly number[] =>
      readRun(folderWith({ ...runRecord, spec: rules, spec_hash: hashOf(rules) }, withTrial({ status: "untrained" }))).damages.map(
        ({ line }) => line,
      );
    expect([under(spec), under(underFirstRules(spec))]).toEqual([[], [2]]);
  });

  it("what a run may come to is taken: its bounds, its fresh seeds, and more trials once it was extended", () => {
    const confirming = withSpec({ search: { ...spec.search, confirm: { top: 1, seeds: 2, most_seeds: 4 } } });
    const longer = withSpec({ search: { ...spec.search, confirm: { top: 1, seeds: 2, most_seeds: 4 }, trials: 5 } });
    const run = folderWith(
      { ...runRecord, ...confirming },
      { record: "trial", trial: trial(3, 0, 1) },
      { record: "trial", trial: trial(0, 9999, 5) },
      { record: "trial", trial: { ...trial(1), steps, curve: [point(0), point(steps)] } },
      { record: "again", trials: [3] },
      { record: "extended", ...longer },
      { record: "trial", trial: trial(4) },
    );
    const { damages, state } = readRun(run);
    expect(damages).toEqual([]);
    expect(state.trials.map(({ id, seed }) => [id, seed])).toEqual([
      [1, 1],
      [4, 1],
      [0, 5],
    ]);
  });
});
