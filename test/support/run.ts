/** Journals and trials for tests that train nothing. */
import { completeSpec, type CompleteSpec } from "../../src/spec/complete.ts";
import { specSchema } from "../../src/spec/schema.ts";
import { hashOf } from "../../src/hash.ts";
import { journalVersion, type JournalRecord, type RunRecord } from "../../src/run/records.ts";
import type { Hyperparameters } from "../../src/parametrization/roles.ts";
import type { TrialResult } from "../../src/run/trial-result.ts";

export const spec: CompleteSpec = completeSpec(
  specSchema.parse({ name: "x", data: { source: "moby-dick" }, width: { proxy: 16, target: 32 }, search: { trials: 4, confirm: false } }),
);
export const runRecord: RunRecord = {
  record: "run",
  version: journalVersion,
  name: "x",
  spec,
  spec_hash: hashOf(spec),
  engine: "native",
  arithmetic: "native 0, cpu",
  environment: { mutransfer: "0", node: "v20", engine: "native 0", device: "cpu: x", data_hash: "d", data_directory: "." },
};
export const trial = (id: number, loss: number | null = 2, seed = 1): TrialResult => ({
  id,
  seed,
  hyperparameters: { learning_rate: 0.01 },
  status: loss === null ? "diverged" : "completed",
  validation_loss: loss,
  steps: 10,
  curve: [{ step: 10, training_loss: null, validation_loss: loss }],
});
export const trialRecord = (id: number, loss?: number | null): JournalRecord => ({ record: "trial", trial: trial(id, loss) });
/** A trial as it ended: completed with a loss, diverged without one, or failed for a reason. */
export const endedTrial = (id: number, loss: number | null, hyperparameters: Hyperparameters, reason?: string): TrialResult => ({
  id,
  seed: 1,
  hyperparameters,
  status: reason ? "failed" : loss === null ? "diverged" : "completed",
  validation_loss: loss,
  steps: 10,
  curve: [],
  ...(reason && { reason }),
});
