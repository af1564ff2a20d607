/** Run folders for reports: journals written line by line, no training. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { completeSpec, type CompleteSpec } from "../../src/spec/complete.ts";
import { specSchema } from "../../src/spec/schema.ts";
import { hashOf } from "../../src/hash.ts";
import { encodeLine } from "../../src/run/journal-lines.ts";
import type { JournalRecord } from "../../src/run/records.ts";
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

export function writeJournal(folder: string, records: readonly JournalRecord[]): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "journal.jsonl"), records.map((record, seq) => encodeLine(seq, record)).join(""));
  return folder;
}
