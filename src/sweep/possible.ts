/**
 * What a record can say in the plan that it belongs to. Checksums tell that a line is as it
 * was written, not that it was written by this program: ids, seeds, steps and losses that no
 * run comes to are refused where they are read.
 */
import { hashOf } from "../hash.ts";
import { seedsFrom } from "../rng.ts";
import type { CompleteSpec } from "../spec/complete.ts";
import { specDifferences } from "../spec/differences.ts";
import { isBelow, lowest } from "../spec/references.ts";
import type { HyperparameterName } from "../parametrization/roles.ts";
import type { JournalRecord, RunRecord } from "./records.ts";
import type { TrialResult } from "./trial-result.ts";

/** What the trials of a plan can be. */
export interface Limits {
  readonly trials: number;
  readonly steps: number;
  /** Of first runs and of confirmations. */
  readonly seeds: ReadonlySet<number>;
}

export const limitsOf = ({ seed, train, search }: CompleteSpec): Limits => ({
  trials: search.trials,
  steps: train.steps,
  seeds: new Set([seed, ...seedsFrom(seed + 1, search.confirm?.seeds ?? 0)]),
});

/** Why no trial of the plan, or of any plan, can have ended like this; undefined when one can. */
export function impossibility(
  { id, seed, hyperparameters, status, validation_loss: loss, steps, curve }: TrialResult,
  limits?: Limits,
): string | undefined {
  if (limits !== undefined) {
    if (id >= limits.trials) return `there is no trial ${id} in a plan of ${limits.trials}`;
    if (!limits.seeds.has(seed)) return `the plan has no seed ${seed}`;
    if (steps > limits.steps) return `trial ${id} has ${steps} steps in a plan of ${limits.steps}`;
    if (status === "stopped" && steps === limits.steps) return `trial ${id} was stopped after its last step`;
  }
  if ((loss === null) === (status === "completed" || status === "stopped"))
    return `trial ${id} is ${status}, and its loss is ${loss === null ? "not known" : loss}`;
  let before = -1;
  for (const { step } of curve) {
    if (step <= before || step > steps)
      return `the curve of trial ${id} has step ${step} ${step > steps ? `of ${steps}` : `after ${before}`}`;
    before = step;
  }
  for (const name in hyperparameters) {
    const isTooLow = tooLow.get(name);
    if (isTooLow === undefined) return `there is no hyperparameter ${JSON.stringify(name)}`;
    if (isTooLow(hyperparameters[name])) return `trial ${id} has ${name} ${hyperparameters[name]}`;
  }
  return undefined;
}

const tooLow: ReadonlyMap<string, (value: number) => boolean> = new Map(
  (Object.keys(lowest) as HyperparameterName[]).map((name) => [name, isBelow(name)]),
);

/** The records of one journal as far as they have come: what may follow. */
export class Sequence {
  private run: RunRecord | undefined;
  private spec: CompleteSpec | undefined;
  private limits: Limits | undefined;

  /** Why a record cannot stand here; undefined when it can, and then it counts. */
  problemOf(record: JournalRecord, isFirst: boolean): string | undefined {
    if (isFirst !== (record.record === "run") && (isFirst || this.run !== undefined))
      return isFirst ? "the first record does not say what run this is" : "a run begins for a second time";
    switch (record.record) {
      case "run":
        this.run = record;
        return this.follow(record);
      case "extended": {
        const isMore = this.spec === undefined || specDifferences(this.spec, record.spec).every(({ extending }) => extending);
        return isMore ? this.follow(record) : "its spec does not extend the one before it";
      }
      case "again": {
        const { limits } = this;
        const unknown = record.trials.find((id) => limits !== undefined && id >= limits.trials);
        return unknown === undefined ? undefined : `there is no trial ${unknown} in a plan of ${limits?.trials ?? 0}`;
      }
      case "trial":
        return impossibility(record.trial, this.limits);
      default:
        return record satisfies never;
    }
  }

  private follow({ spec, spec_hash: specHash }: Pick<RunRecord, "spec" | "spec_hash">): string | undefined {
    if (hashOf(spec) !== specHash) return "its spec is not the one that its hash was taken of";
    this.spec = spec;
    this.limits = limitsOf(spec);
    return undefined;
  }
}
