/**
 * What a journal's records add up to, one after the other: a pure replay. Of a trial
 * only what decides is kept; its curve stays in the journal, so that memory does not
 * grow with what is in it.
 */
import type { Hyperparameters } from "../parametrization/roles.ts";
import type { CompleteSpec } from "../spec/complete.ts";
import type { Extent } from "./journal.ts";
import type { JournalRecord, RunRecord } from "./records.ts";
import type { TrialResult } from "./trial-result.ts";
import type { Member } from "./trial.ts";

/** What decides, of how a trial ended; where the rest of it is. */
export interface TrialSummary {
  readonly id: number;
  readonly seed: number;
  readonly status: TrialResult["status"];
  /** In nats per token, after `steps`; null for a trial that diverged or failed. */
  readonly validationLoss: number | null;
  /** Mean over the steps before that, in nats per token; null when there were none. */
  readonly trainingLoss: number | null;
  readonly hyperparameters: Hyperparameters;
  readonly steps: number;
  /** Validation losses at the rungs of early stopping that it has reached, and at the end. */
  readonly rungLosses: readonly (number | null)[];
  readonly extent: Extent;
}

/** A run as its records have it so far. */
export class RunState {
  run: RunRecord | undefined;
  /** The run's spec, with what it was extended by. */
  spec: CompleteSpec | undefined;
  specHash = "";
  private rungs: readonly number[] = [];
  /** By seed, then by trial. */
  private readonly ended = new Map<number, Map<number, TrialSummary>>();
  private readonly points = new Map<number, TrialResult["hyperparameters"]>();

  apply(record: JournalRecord, extent: Extent): void {
    switch (record.record) {
      case "run":
        this.run = record;
        return this.follow(record);
      case "extended":
        return this.follow(record);
      case "again": {
        for (const ended of this.ended.values()) for (const id of record.trials) ended.delete(id);
        return;
      }
      case "trial": {
        const { id, seed, hyperparameters } = record.trial;
        const ended = this.ended.get(seed) ?? new Map<number, TrialSummary>();
        this.ended.set(seed, ended);
        const before = ended.get(id);
        if (before !== undefined && !givesWay(before, record.trial)) return;
        ended.set(id, summaryOf(record.trial, extent, this.rungs, before?.rungLosses));
        this.points.set(id, hyperparameters);
        return;
      }
      default:
        return record satisfies never;
    }
  }

  private follow({ spec, spec_hash: specHash }: Pick<RunRecord, "spec" | "spec_hash">): void {
    this.spec = spec;
    this.specHash = specHash;
    this.rungs = rungsOf(spec);
  }

  /** How a trial ended, if it did. */
  of(trial: Member): TrialSummary | undefined {
    return this.ended.get(trial.seed)?.get(trial.id);
  }
  /** The hyperparameters that trial `id` was tried with, if it was. */
  pointOf(id: number): TrialResult["hyperparameters"] | undefined {
    return this.points.get(id);
  }
  get trials(): readonly TrialSummary[] {
    return [...this.ended.values()].flatMap((ended) => [...ended.values()]);
  }
}

/** Steps of each rung of early stopping, the last of them the end. */
export const rungsOf = ({ search, train }: CompleteSpec): readonly number[] => [...(search.early_stopping?.rungs ?? []), train.steps];

/** A trial's first result counts, but one that failed gives way to a later one, and one that was stopped to what became of it. */
const givesWay = ({ status, steps }: TrialSummary, next: TrialResult): boolean =>
  status === "failed" || (status === "stopped" && (next.status === "failed" || next.steps > steps));

/** What decides, of a trial whose record lies at `extent`. */
export function summaryOf(
  { id, seed, status, validation_loss: validationLoss, steps, hyperparameters, curve }: TrialResult,
  extent: Extent,
  rungs: readonly number[] = [],
  before: readonly (number | null)[] = [],
): TrialSummary {
  const rungLosses = rungs.map((rung, index) => curve.find(({ step }) => step === rung)?.validation_loss ?? before[index] ?? null);
  const trainingLoss = curve.at(-1)?.training_loss ?? null;
  return { id, seed, status, validationLoss, trainingLoss, steps, hyperparameters, rungLosses, extent };
}
