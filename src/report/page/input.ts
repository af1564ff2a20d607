/** What a report is made of: what a run folder holds, and what to know before trusting it. */
import type { FolderContents } from "../../studies/folder.ts";

/** Everything that a page shows. */
export interface ReportInput extends Omit<FolderContents, "generalization"> {
  /** What to know before trusting the winner. */
  readonly notes: readonly string[];
}

/** Trials whose whole results a report reads; more are sampled. */
export const sampledTrials = 2000;

/** What a caption says of a sample; nothing when it is everything. */
export const sampleNote = (shown: number, all: number): string =>
  shown < all
    ? ` Of ${all} trials ${shown} are drawn: the best, and others evenly down the ranking; trials.csv and results.json have them all.`
    : "";
