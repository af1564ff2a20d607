/** What a report is made of: everything that is read of a run folder, as data. */
import type { CoordCheck, Curves, Prelaunch } from "../../evidence/records.ts";
import type { CompleteSpec } from "../../spec/complete.ts";
import type { RunRecord } from "../../sweep/records.ts";
import type { Results } from "../../sweep/results.ts";
import type { TrialSummary } from "../../sweep/state.ts";
import type { TrialResult } from "../../sweep/trial-result.ts";
import type { TransferRecord } from "../../transfer/record.ts";

/** Whether the run will change: `none` when the folder holds no sweep at all. */
export type Phase = "none" | "finished" | "running" | "stopped" | "died";

export interface ReportInput {
  /** The folder's own name, without the path to it. */
  readonly folder: string;
  readonly phase: Phase;
  readonly run: RunRecord | undefined;
  readonly spec: CompleteSpec | undefined;
  /** The spec as its author might have written it. */
  readonly writtenSpec: unknown;
  readonly specHash: string;
  /** Every trial that ended, best first. */
  readonly ranked: readonly TrialSummary[];
  /** Whole results of some of them, best first, the winner among them. */
  readonly sample: readonly TrialResult[];
  /** The winner and the hyperparameters that transfer. */
  readonly best: Results["best"];
  readonly cost: Results["cost"] | undefined;
  readonly transfer: TransferRecord | undefined;
  readonly curves: Curves | undefined;
  readonly prelaunch: Prelaunch | undefined;
  readonly coordCheck: CoordCheck | undefined;
  /** Bytes of a line that a crash has cut short. */
  readonly tornBytes: number;
  readonly damages: readonly { readonly line: number; readonly problem: string }[];
  /** What is wrong with the folder's other files. */
  readonly problems: readonly string[];
  /** What to know before trusting the winner. */
  readonly notes: readonly string[];
}

/** Trials whose whole results a report reads; more are sampled. */
export const sampledTrials = 2000;

/** `count` of the items, evenly over their order, the first and the last among them. */
export function thinned<T>(items: readonly T[], count: number): readonly T[] {
  if (items.length <= count) return items;
  return Array.from({ length: count }, (_, index) => items[Math.round((index * (items.length - 1)) / (count - 1))]);
}

/** What a caption says of a sample; nothing when it is everything. */
export const sampleNote = (shown: number, all: number): string =>
  shown < all
    ? ` Of ${all} trials ${shown} are drawn: the best, and others evenly down the ranking; trials.csv and results.json have them all.`
    : "";
