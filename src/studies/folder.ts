/**
 * Everything that is read of a run folder, as data: from the folder alone and without its
 * lock, so that it can be read while the run goes on or after it died.
 */
import { basename, resolve } from "node:path";
import { currentCurves } from "../evidence/curves.ts";
import type { Curves, Prelaunch, CoordCheck } from "../evidence/records.ts";
import { scanJournal, type Damage } from "../run/journal.ts";
import { readHolder } from "../run/lock.ts";
import type { OpenFolder } from "../run/open-folder.ts";
import { readRecord, type RecordKind, type Records } from "../run/outputs.ts";
import type { RunRecord } from "../run/records.ts";
import { headOf, type Results } from "../run/results.ts";
import { runFiles } from "../run/run-folder.ts";
import { readRun } from "../run/run.ts";
import type { TrialSummary } from "../run/state.ts";
import type { TransferRecord } from "../run/transfer-record.ts";
import type { TrialResult } from "../run/trial-result.ts";
import { asWritten, type CompleteSpec } from "../spec/complete.ts";
import { thinned } from "../statistics.ts";
import { judgedTrials, reached } from "../sweep/agenda.ts";
import { generalizationOf, type Generalization } from "../sweep/generalization.ts";
import { bestOf } from "../sweep/head.ts";
import { rankTrials, standings, judge } from "../sweep/select.ts";
import { confirmedMeans, widthTables, type ConfirmedMean, type WidthTable } from "./findings.ts";
import { hasEndedIn, readLive, type LiveRun } from "./live.ts";
import { Progress } from "./progress.ts";

/** Whether the run will change: `none` when the folder holds no sweep at all. */
export type Phase = "none" | "finished" | "running" | "stopped" | "died";

/** What a run folder holds. */
export interface FolderContents {
  /** The folder's own name, without the path to it. */
  readonly folder: string;
  readonly phase: Phase;
  /** What is in training now; undefined unless the run goes on. */
  readonly live: LiveRun | undefined;
  readonly run: RunRecord | undefined;
  readonly spec: CompleteSpec | undefined;
  /** The spec as its author might have written it. */
  readonly writtenSpec: unknown;
  readonly specHash: string;
  /** Every trial that ended, best first. */
  readonly ranked: readonly TrialSummary[];
  /** How many of them ended how. */
  readonly counts: Progress["counts"];
  /** Trials of those at a rung that may be trained further. */
  readonly undecided: number;
  /** Whole results of some of them, best first, the winner among them. */
  readonly sample: readonly TrialResult[];
  /** The winner, with the hyperparameters that transfer. */
  readonly best: Results["best"];
  readonly cost: Results["cost"] | undefined;
  /** What the winner's loss is held against, as results.json has it. */
  readonly yardsticks: Results["analysis"]["yardsticks"];
  /** What results.json says of the sweep as a whole; undefined until it is there. */
  readonly analysis: Results["analysis"] | undefined;
  /** What the trials came to that were trained again on fresh seeds, best first. */
  readonly confirmed: readonly ConfirmedMean[];
  /** What each tensor gets at the proxy's and the target's width; none until the vocabulary is known. */
  readonly tables: readonly WidthTable[];
  readonly transfer: TransferRecord | undefined;
  readonly curves: Curves | undefined;
  readonly prelaunch: Prelaunch | undefined;
  readonly coordCheck: CoordCheck | undefined;
  /** Bytes of a line that a crash has cut short. */
  readonly tornBytes: number;
  readonly damages: readonly Pick<Damage, "line" | "problem">[];
  /** What is wrong with the folder's other files. */
  readonly problems: readonly string[];
  /** How far its figures can be taken; undefined for a run that has not begun. */
  readonly generalization: Generalization | undefined;
}

/** As much of results.json as may hold what comes before a list of very many trials. */
const headBytes = 1 << 20;

/** Reads everything that a report shows, without the folder's lock: of more than `mostTrials` trials a sample is read whole. */
export function readContents(folder: OpenFolder, mostTrials: number): FolderContents {
  const problems: string[] = [];
  const hasJournal = folder.has(runFiles.journal);
  const { state, scan, damages } = readRun(folder);
  const { run, spec, specHash } = state;
  const { first, confirmations } = spec === undefined ? { first: state.trials, confirmations: [] } : judgedTrials(spec, state);
  const trials = [...first, ...confirmations];
  const ranked = spec === undefined ? rankTrials(trials) : standings(trials, spec);
  const come = spec && reached(spec, state);
  const progress = new Progress();
  for (const trial of ranked) progress.end(trial);
  const sample = resultsAt(folder, thinned(ranked, mostTrials));
  const verdict = spec && judge(trials, spec);
  const best = spec === undefined || verdict === undefined ? null : bestOf(spec, verdict, trials);
  const read = <K extends RecordKind>(kind: K): Records[K] | undefined => {
    const found = readRecord(folder, kind);
    if (found === undefined || "record" in found) return found?.record;
    problems.push(`${runFiles[kind]} is left out: ${found.problem}`);
    return undefined;
  };
  const own = <T extends { readonly spec_hash: string }>(kind: RecordKind, record: T | undefined): T | undefined => {
    if (record === undefined || specHash === "" || record.spec_hash === specHash) return record;
    problems.push(`${runFiles[kind]} is of another spec than this run, and is left out`);
    return undefined;
  };
  const curves = read("curves");
  const written = headOf(folder.beginning(runFiles.results, headBytes));
  const head = written?.spec_hash === specHash ? written : undefined;
  const transfer = own("transfer", read("transfer"));
  return {
    folder: basename(resolve(folder.path)),
    phase: hasJournal ? phaseOf(folder, come?.isDone ?? false) : "none",
    live: readLive(folder, hasEndedIn(state), (problem) => problems.push(problem)),
    run,
    spec,
    writtenSpec: spec && asWritten(spec),
    specHash,
    ranked,
    counts: progress.counts,
    undecided: come?.undecided ?? 0,
    sample,
    best,
    cost: head?.cost,
    yardsticks: head?.analysis.yardsticks,
    analysis: head?.analysis,
    confirmed: verdict === undefined ? [] : confirmedMeans(verdict),
    tables: spec === undefined ? [] : widthTables(spec, best?.hyperparameters, head?.analysis, transfer?.width),
    transfer,
    prelaunch: own("prelaunch", read("prelaunch")),
    curves: curves && currentCurves(curves),
    coordCheck: read("coordCheck"),
    tornBytes: scan.torn.length,
    damages: damages.map(({ line, problem }) => ({ line, problem })),
    problems,
    generalization: spec && generalizationOf(spec, run?.environment.training_tokens, state.trials),
  };
}

/** The whole results of some trials, in their order; a damaged line is none of them. */
function resultsAt(folder: OpenFolder, wanted: readonly TrialSummary[]): readonly TrialResult[] {
  if (wanted.length === 0) return [];
  const found = new Map<number, TrialResult | undefined>(wanted.map(({ extent }) => [extent.offset, undefined]));
  scanJournal(
    folder,
    runFiles.journal,
    (record, { offset }) => record.record === "trial" && found.has(offset) && found.set(offset, record.trial),
    () => undefined,
  );
  return wanted.flatMap(({ extent, id }) => {
    const trial = found.get(extent.offset);
    return trial?.id === id ? [trial] : [];
  });
}

function phaseOf(folder: OpenFolder, isOver: boolean): Phase {
  const holder = readHolder(folder);
  // Whoever holds a folder whose trials have all ended is training the target.
  if (holder !== undefined && !isOver) return holder.running ? "running" : "died";
  return isOver ? "finished" : "stopped";
}
