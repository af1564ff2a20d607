/** Run folders for reports: journals written line by line, no training. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { completeSpec, type CompleteSpec } from "../../src/spec/complete.ts";
import { specSchema } from "../../src/spec/schema.ts";
import { hashOf } from "../../src/hash.ts";
import { encodeLine } from "../../src/run/journal-lines.ts";
import type { JournalRecord, RunRecord } from "../../src/run/records.ts";
import { sampledTrials, type ReportInput } from "../../src/report/page/input.ts";
import { summaryOf } from "../../src/run/state.ts";
import { thinned } from "../../src/statistics.ts";
import { Progress } from "../../src/studies/progress.ts";
import { chooseWinner, freshSeedsOf, rankTrials } from "../../src/sweep/select.ts";
import type { TrialResult } from "../../src/run/trial-result.ts";
import { runRecord } from "./run.ts";

export const reportSpec = (trials: number): CompleteSpec =>
  completeSpec(
    specSchema.parse({
      name: "made",
      data: { source: "moby-dick" },
      width: { proxy: 16, target: 64 },
      search: {
        trials,
        parameters: {
          learning_rate: { distribution: "log_uniform", min: 1e-3, max: 0.1 },
          output_multiplier: { distribution: "uniform", min: 1, max: 64 },
        },
      },
    }),
  );

/** A trial whose loss is a valley in its rate; every seventh diverges, number 5 fails. */
export function madeTrial(id: number, reason = "the worker died"): TrialResult {
  const place = (id * 0.618034) % 1;
  const hyperparameters = { learning_rate: 10 ** (-3 + 2 * place), output_multiplier: 1 + ((id * 37) % 63), init_std: 1 };
  const shared = { id, seed: 1, hyperparameters };
  if (id === 5) return { ...shared, status: "failed", validation_loss: null, steps: 0, curve: [], reason };
  const loss = 2 + (place - 0.6) ** 2 + 0.001 * ((id * 37) % 63);
  const curve = [0, 50, 100].map((step) => ({ step, training_loss: step === 0 ? null : loss, validation_loss: loss + (100 - step) / 50 }));
  return id % 7 === 6
    ? { ...shared, status: "diverged", validation_loss: null, steps: 40, curve: [...curve.slice(0, 1)] }
    : { ...shared, status: "completed", validation_loss: loss, steps: 100, curve };
}

export const runOf = (spec: CompleteSpec): JournalRecord => ({ ...runRecord, name: spec.name, spec, spec_hash: hashOf(spec) });

/** Writes a run of `ended` trials of the spec's; returns its folder. */
export function writeRun(folder: string, spec: CompleteSpec, ended: number): string {
  const trials = Array.from({ length: ended }, (_, id): JournalRecord => ({ record: "trial", trial: madeTrial(id) }));
  return writeJournal(folder, [runOf(spec), ...trials]);
}

/** The same, with the best four trained again on fresh seeds. */
export function writeConfirmed(folder: string, spec: CompleteSpec, ended: number): string {
  const trials = Array.from({ length: ended }, (_, id) => madeTrial(id));
  const best = trials.filter(({ status }) => status === "completed").sort((a, b) => (a.validation_loss ?? 0) - (b.validation_loss ?? 0));
  const again = best.slice(0, 4).flatMap((trial) =>
    (freshSeedsOf(spec)?.seeds ?? []).slice(0, 3).map((seed, index) => ({
      ...trial,
      seed,
      validation_loss: (trial.validation_loss ?? 0) + 0.01 * index,
    })),
  );
  return writeJournal(folder, [runOf(spec), ...[...trials, ...again].map((trial): JournalRecord => ({ record: "trial", trial }))]);
}

export function writeJournal(folder: string, records: readonly JournalRecord[]): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "journal.jsonl"), records.map((record, seq) => encodeLine(seq, record)).join(""));
  return folder;
}

/** What a report is made of, for a finished run of some trials. */
export function inputOf(trials: readonly TrialResult[]): ReportInput {
  const spec = reportSpec(Math.max(1, trials.length));
  const ranked = rankTrials(trials.map((trial, offset) => summaryOf(trial, { offset, bytes: 0 })));
  const progress = new Progress();
  for (const trial of ranked) progress.end(trial);
  const best = chooseWinner(ranked, { ...spec, seed: 1 })?.trial;
  const winner = best && trials[best.extent.offset];
  return {
    folder: "run",
    phase: "finished",
    live: undefined,
    run: runOf(spec) as RunRecord,
    spec,
    writtenSpec: spec,
    specHash: "h",
    ranked,
    counts: progress.counts,
    undecided: 0,
    sample: thinned(ranked, sampledTrials).map(({ extent }) => trials[extent.offset]),
    best: winner
      ? {
          trial: winner.id,
          seed: 1,
          hyperparameters: winner.hyperparameters,
          validation_loss: winner.validation_loss as number,
          standard_error: null,
          edges: [],
        }
      : null,
    cost: undefined,
    yardsticks: undefined,
    analysis: undefined,
    confirmed: [],
    tables: [],
    transfer: undefined,
    curves: undefined,
    prelaunch: undefined,
    coordCheck: undefined,
    tornBytes: 0,
    damages: [],
    problems: [],
    notes: [],
  };
}
