/** What is known of a run, from its folder alone, while it goes on or after it died; changes nothing. */
import { checkpointedStacks } from "../run/checkpoints.ts";
import type { Damage } from "../run/journal.ts";
import { readHolder } from "../run/lock.ts";
import type { OpenFolder } from "../run/open-folder.ts";
import { openRunFolder } from "../run/run-folder.ts";
import { readRun } from "../run/run.ts";
import { reached } from "../sweep/agenda.ts";
import { generalizationOf, type Generalization } from "../sweep/generalization.ts";
import { rankTrials } from "../sweep/select.ts";
import { Progress } from "./progress.ts";

/** How a run stands. */
export interface RunStatus {
  readonly folder: string;
  readonly name: string | null;
  /** Trainings: trials, and confirmations of the best, those that racing has added so far among them. */
  readonly planned: number | null;
  readonly isDone: boolean;
  readonly steps: number | null;
  readonly completed: number;
  /** Trials at a rung of early stopping: for good, or until it is decided who goes on. */
  readonly stopped: number;
  /** Trainings that came to their end no better than they began. */
  readonly untrained: number;
  readonly diverged: number;
  readonly failed: number;
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

/** Reads the status of the run in a folder; throws a UserError when it holds none. */
export function readStatus(path: string): RunStatus {
  const folder = openRunFolder(path);
  try {
    return statusOf(path, folder);
  } finally {
    folder.close();
  }
}

function statusOf(path: string, folder: OpenFolder): RunStatus {
  const { state, scan, damages } = readRun(folder);
  const { spec, trials, run } = state;
  const progress = new Progress();
  for (const trial of trials) progress.end(trial);
  const come = spec && reached(spec, state);
  const holder = readHolder(folder);
  const [best] = rankTrials(trials.filter(({ seed }) => seed === spec?.seed));
  return {
    folder: path,
    name: run?.name ?? null,
    planned: come?.trainings ?? null,
    isDone: come?.isDone ?? false,
    steps: spec?.train.steps ?? null,
    ...progress.counts,
    best: best?.status === "completed" ? { trial: best.id, validationLoss: best.validationLoss as number } : null,
    engine: run?.arithmetic ?? null,
    process: holder === undefined ? null : { pid: holder.pid, host: holder.host, running: holder.running },
    checkpoints: checkpointedStacks(folder).map(({ members, step }) => ({ trials: members.map(({ id }) => id), step })),
    generalization: spec && generalizationOf(spec, run?.environment.training_tokens, trials),
    tornBytes: scan.torn.length,
    damages: damages.map(({ line, problem }) => ({ line, problem })),
  };
}
