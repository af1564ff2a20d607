/**
 * What a journal's records add up to, one after the other: a pure replay. Of a trial
 * only what decides is kept; its curve stays in the journal, so that memory does not
 * grow with what is in it.
 */
import type { CompleteSpec } from "../spec/complete.ts";
import type { Place } from "./journal.ts";
import type { JournalRecord, RunRecord } from "./records.ts";
import type { TrialResult } from "./trial-result.ts";

export interface TrialSummary {
  readonly id: number;
  readonly seed: number;
  readonly status: TrialResult["status"];
  /** In nats per token; null for a trial that did not complete. */
  readonly validationLoss: number | null;
  readonly learningRate: number;
  readonly steps: number;
  readonly place: Place;
}

export class RunState {
  run: RunRecord | undefined;
  /** The run's spec, with what it was extended by. */
  spec: CompleteSpec | undefined;
  specHash = "";
  private readonly ended = new Map<string, TrialSummary>();

  apply(record: JournalRecord, place: Place): void {
    switch (record.record) {
      case "run":
        this.run = record;
        this.spec = record.spec;
        this.specHash = record.spec_hash;
        return;
      case "extended":
        this.spec = record.spec;
        this.specHash = record.spec_hash;
        return;
      case "again": {
        const ids = new Set(record.trials);
        for (const [key, { id }] of this.ended) if (ids.has(id)) this.ended.delete(key);
        return;
      }
      case "trial": {
        // A trial's first result counts; one that failed gives way to a later one.
        const key = keyOf(record.trial);
        if ((this.ended.get(key)?.status ?? "failed") === "failed") this.ended.set(key, summaryOf(record.trial, place));
        return;
      }
      default:
        return record satisfies never;
    }
  }

  /** How a trial ended, if it did. */
  of(trial: Pick<TrialResult, "id" | "seed">): TrialSummary | undefined {
    return this.ended.get(keyOf(trial));
  }
  get trials(): readonly TrialSummary[] {
    return [...this.ended.values()];
  }
}

const keyOf = ({ id, seed }: Pick<TrialResult, "id" | "seed">): string => `${id}/${seed}`;

/** What decides, of a trial whose record lies at `place`. */
export function summaryOf(
  { id, seed, status, validation_loss: validationLoss, steps, hyperparameters }: TrialResult,
  place: Place,
): TrialSummary {
  return { id, seed, status, validationLoss, steps, learningRate: hyperparameters["learning_rate"] ?? 0, place };
}
