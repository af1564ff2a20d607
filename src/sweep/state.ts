/**
 * What a journal's records add up to, one after the other: a pure replay. Of a trial
 * only what decides is kept; its curve stays in the journal, so that memory does not
 * grow with what is in it.
 */
import type { CompleteSpec } from "../spec/complete.ts";
import type { Place } from "./journal.ts";
import type { JournalRecord, RunRecord } from "./records.ts";
import type { TrialResult } from "./trial-result.ts";
import { memberKey, type Member } from "./trials.ts";

export interface TrialSummary {
  readonly id: number;
  readonly seed: number;
  readonly status: TrialResult["status"];
  /** In nats per token, after `steps`; null for a trial that diverged or failed. */
  readonly validationLoss: number | null;
  readonly hyperparameters: Readonly<Record<string, number>>;
  readonly steps: number;
  /** Validation losses at the rungs of early stopping that it has reached, and at the end. */
  readonly rungLosses: readonly (number | null)[];
  readonly place: Place;
}

export class RunState {
  run: RunRecord | undefined;
  /** The run's spec, with what it was extended by. */
  spec: CompleteSpec | undefined;
  specHash = "";
  private readonly ended = new Map<string, TrialSummary>();
  private readonly points = new Map<number, TrialResult["hyperparameters"]>();

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
        const key = memberKey(record.trial);
        const before = this.ended.get(key);
        if (before !== undefined && !givesWay(before, record.trial)) return;
        const rungs = this.spec === undefined ? [] : rungsOf(this.spec);
        this.ended.set(key, summaryOf(record.trial, place, rungs, before?.rungLosses));
        this.points.set(record.trial.id, record.trial.hyperparameters);
        return;
      }
      default:
        return record satisfies never;
    }
  }

  /** How a trial ended, if it did. */
  of(trial: Member): TrialSummary | undefined {
    return this.ended.get(memberKey(trial));
  }
  /** The hyperparameters that trial `id` was tried with, if it was. */
  pointOf(id: number): TrialResult["hyperparameters"] | undefined {
    return this.points.get(id);
  }
  get trials(): readonly TrialSummary[] {
    return [...this.ended.values()];
  }
}

/** Steps of each rung of early stopping, the last of them the end. */
export const rungsOf = ({ search, train }: CompleteSpec): readonly number[] => [...(search.early_stopping?.rungs ?? []), train.steps];

/** A trial's first result counts, but one that failed gives way to a later one, and one that was stopped to what became of it. */
const givesWay = ({ status, steps }: TrialSummary, next: TrialResult): boolean =>
  status === "failed" || (status === "stopped" && (next.status === "failed" || next.steps > steps));

/** What decides, of a trial whose record lies at `place`. */
export function summaryOf(
  { id, seed, status, validation_loss: validationLoss, steps, hyperparameters, curve }: TrialResult,
  place: Place,
  rungs: readonly number[] = [],
  before: readonly (number | null)[] = [],
): TrialSummary {
  const rungLosses = rungs.map((rung, index) => curve.find(({ step }) => step === rung)?.validation_loss ?? before[index] ?? null);
  return { id, seed, status, validationLoss, steps, hyperparameters, rungLosses, place };
}
