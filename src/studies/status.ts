/** What is known of a run, from its folder alone, while it goes on or after it died; changes nothing. */
import { join } from "node:path";
import { checkpointedStacks } from "../run/checkpoints.ts";
import type { Damage } from "../run/journal.ts";
import { readHolder } from "../run/lock.ts";
import { OpenFolder } from "../run/open-folder.ts";
import { openRunFolder, runFiles } from "../run/run-folder.ts";
import { readRun } from "../run/run.ts";
import type { RunState } from "../run/state.ts";
import { judgedTrials, reached, stepsMade } from "../sweep/agenda.ts";
import { generalizationOf, type Generalization } from "../sweep/generalization.ts";
import { bestOf } from "../sweep/head.ts";
import { judge, rankTrials } from "../sweep/select.ts";
import { hasEndedIn, readLive, type LiveRun } from "./live.ts";
import { Progress } from "./progress.ts";

/** Whether a process trains in the folder, and why not. */
export type RunPhase = "running" | "finished" | "stopped" | "died";

/** How a run stands. */
export interface RunStatus {
  readonly folder: string;
  readonly name: string | null;
  /** Trainings: trials, and confirmations of the best, those that racing has added so far among them. */
  readonly planned: number | null;
  readonly isDone: boolean;
  readonly phase: RunPhase;
  /** Steps of its trainings that have been made, as a share of those that are planned; null for a run that has not begun. */
  readonly fraction: number | null;
  /** What is in training; null when nothing is, or the process that trains has not said so yet. */
  readonly live: LiveRun | null;
  /** What is wrong with the file that says what is in training. */
  readonly problem: string | null;
  /** That of first runs. */
  readonly seed: number | null;
  readonly steps: number | null;
  readonly completed: number;
  /** Trials at a rung of early stopping, or on their way from one, and those of them that may be trained further. */
  readonly stopped: number;
  readonly undecided: number;
  /** Trainings that came to their end no better than they began. */
  readonly untrained: number;
  readonly diverged: number;
  readonly failed: number;
  /** The best first run; of a finished sweep the winner, as results.json has it. */
  readonly best: { readonly trial: number; readonly validationLoss: number } | null;
  readonly engine: string | null;
  /** Who has taken the folder and not given it back. */
  readonly process: { readonly pid: number; readonly host: string; readonly running: boolean } | null;
  readonly checkpoints: readonly { readonly trials: readonly number[]; readonly step: number }[];
  /** How far its figures can be taken; undefined for a run that has not begun. */
  readonly generalization: Generalization | undefined;
  /** Bytes of a line that a crash has cut short. */
  readonly tornBytes: number;
  readonly damages: readonly Pick<Damage, "line" | "problem">[];
}

/** How several runs stand that are kept together in a folder, as those of curves are. */
export interface StatusOfMany {
  readonly folder: string;
  /** The inner folders' names, and how far each is. */
  readonly runs: readonly RunStatus[];
}

/** Reads the status of the run in a folder; throws a UserError when it holds none. */
export function readStatus(path: string): RunStatus {
  return closing(openRunFolder(path), (folder) => statusOf(path, folder));
}

/** The same for a folder that may hold several runs in folders of their own. */
export function readStatuses(path: string): RunStatus | StatusOfMany {
  const runs = closing(OpenFolder.open(path), (folder) => (folder?.has(runFiles.journal) === false ? innerStatuses(path, folder) : []));
  return runs.length === 0 ? readStatus(path) : { folder: path, runs };
}

function innerStatuses(path: string, folder: OpenFolder): readonly RunStatus[] {
  return [...folder.folders].sort().flatMap((name) => {
    const inner = folder.inside(name);
    if (inner === undefined) return [];
    return closing(inner, () => (inner.has(runFiles.journal) ? statusOf(join(path, name), inner) : []));
  });
}

function closing<F extends OpenFolder | undefined, T>(folder: F, action: (folder: F) => T): T {
  try {
    return action(folder);
  } finally {
    folder?.close();
  }
}

function statusOf(path: string, folder: OpenFolder): RunStatus {
  const { state, scan, damages } = readRun(folder);
  const { spec, trials, run } = state;
  const progress = new Progress();
  for (const trial of trials) progress.end(trial);
  const come = spec && reached(spec, state);
  const holder = readHolder(folder);
  const { isDone = false, undecided = 0 } = come ?? {};
  const begun = checkpointedStacks(folder);
  let problem: string | null = null;
  const live = readLive(folder, hasEndedIn(state), (text) => (problem = text)) ?? null;
  const made = spec && stepsMade(spec, state, begun, come?.raced);
  return {
    folder: path,
    name: run?.name ?? null,
    planned: come?.trainings ?? null,
    isDone,
    phase: holder?.running === true ? "running" : isDone ? "finished" : holder === undefined ? "stopped" : "died",
    fraction:
      made === undefined
        ? null
        : isDone
          ? 1
          : live !== null && live.besides === undefined
            ? Math.max(live.fraction, made.madeSteps / made.trialSteps)
            : made.madeSteps / made.trialSteps,
    live,
    problem,
    seed: spec?.seed ?? null,
    steps: spec?.train.steps ?? null,
    ...{ ...progress.counts, undecided },
    best: bestIn(state, isDone),
    engine: run?.arithmetic ?? null,
    process: holder === undefined ? null : { pid: holder.pid, host: holder.host, running: holder.running },
    checkpoints: begun.map(({ members, step }) => ({ trials: members.map(({ id }) => id), step })),
    generalization: spec && generalizationOf(spec, run?.environment.training_tokens, trials),
    tornBytes: scan.torn.length,
    damages: damages.map(({ line, problem }) => ({ line, problem })),
  };
}

function bestIn(state: RunState, isDone: boolean): RunStatus["best"] {
  const { spec, trials } = state;
  if (spec !== undefined && isDone) {
    const { first, confirmations } = judgedTrials(spec, state);
    const judged = [...first, ...confirmations];
    const best = bestOf(spec, judge(judged, spec), judged);
    return best && { trial: best.trial, validationLoss: best.validation_loss };
  }
  const [best] = rankTrials(trials.filter(({ seed }) => seed === spec?.seed));
  return best?.status === "completed" ? { trial: best.id, validationLoss: best.validationLoss as number } : null;
}
