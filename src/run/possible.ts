/**
 * What a record can say in the plan that it belongs to. Checksums tell that a line is as it
 * was written, not that it was written by this program: ids, seeds, steps and losses that no
 * run comes to are refused where they are read.
 */
import { hashOf } from "../hash.ts";
import type { HyperparameterName } from "../parametrization/roles.ts";
import { seedsFrom } from "../rng.ts";
import { bounds } from "../spec/bounds.ts";
import { rulesOf, type CompleteSpec } from "../spec/complete.ts";
import { specDifferences } from "../spec/differences.ts";
import { isBelow, lowestAllowed } from "../spec/references.ts";
import { isLoss } from "../training/outcome.ts";
import type { JournalRecord, RunRecord } from "./records.ts";
import { hasLoss, type TrialResult } from "./trial-result.ts";

/** What the trials of a plan can be. */
export interface Limits {
  readonly trials: number;
  readonly steps: number;
  /** Whether it is the seed of first runs or of a confirmation. */
  readonly hasSeed: (seed: number) => boolean;
  /** Whether a training that learned nothing is called so. */
  readonly hasUntrained: boolean;
}

/** What the trials of a spec can be. */
export function limitsOf(spec: CompleteSpec): Limits {
  const { seed, train, search } = spec;
  const { seeds: least = 0, most_seeds: most = least } = search.confirm ?? {};
  const seeds = new Set([seed, ...seedsFrom(seed + 1, most)]);
  return { trials: search.trials, steps: train.steps, hasSeed: (each) => seeds.has(each), hasUntrained: rulesOf(spec) > 1 };
}

/** What any plan allows, where it is not known which one it is. */
const anyLimits: Limits = {
  trials: bounds.trials,
  steps: bounds.steps,
  hasSeed: (seed) => seed >= 0 && seed < 2 ** 32,
  hasUntrained: true,
};

const mayBe = (nats: number | null): boolean => nats === null || isLoss(nats);

const tooLow: ReadonlyMap<string, (value: number) => boolean> = new Map(
  (Object.keys(lowestAllowed) as HyperparameterName[]).map((name) => [name, isBelow(name)]),
);

/** Why no trial of the plan, or without one of any plan, can have ended like this; undefined when one can. */
export function impossibility(trial: TrialResult, limits = anyLimits): string | undefined {
  const { id, seed, hyperparameters, status, validation_loss: loss, steps, curve } = trial;
  if (id < 0 || id >= limits.trials) return `there is no trial ${id} in a plan of ${limits.trials}`;
  if (!limits.hasSeed(seed)) return `the plan has no seed ${seed}`;
  if (steps < 0 || steps > limits.steps) return `trial ${id} has ${steps} steps in a plan of ${limits.steps}`;
  if (status === "stopped" && steps === limits.steps) return `trial ${id} was stopped after its last step`;
  if (status === "untrained" && !limits.hasUntrained) return `trial ${id} is untrained, which no rule of this run calls it`;
  if ((loss !== null) !== hasLoss(trial) || !mayBe(loss)) return `trial ${id} is ${status}, and its loss is ${loss ?? "not known"}`;
  for (const [name, value] of Object.entries(hyperparameters))
    if (tooLow.get(name)?.(value) ?? true) return `trial ${id} has ${JSON.stringify(name)} at ${value}`;
  const problem = curveProblem(curve, steps);
  return problem && `the curve of trial ${id} has ${problem}`;
}

/** What is wrong with a curve of so many steps; undefined when nothing is. */
function curveProblem(curve: TrialResult["curve"], steps: number): string | undefined {
  let before = -1;
  for (const { step, training_loss: training, validation_loss: validation } of curve) {
    if (step <= before || step > steps) return `step ${step} ${step > steps ? `of ${steps}` : `after step ${before}`}`;
    if (!mayBe(training) || !mayBe(validation)) return `the loss ${validation ?? "null"} (training: ${training ?? "null"}) at step ${step}`;
    before = step;
  }
  return undefined;
}

/** The records of one journal as far as they have come: what may follow. */
export class Sequence {
  private run: RunRecord | undefined;
  private spec: CompleteSpec | undefined;
  private limits = anyLimits;

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
        const unknown = record.trials.find((id) => id >= limits.trials);
        return unknown === undefined ? undefined : `there is no trial ${unknown} in a plan of ${limits.trials}`;
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
