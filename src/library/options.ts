/**
 * What the library's verbs can be told besides a spec, and what each value has to be. The
 * commands have the same options by other names; their bounds are the same.
 */
import { engineNames } from "../engines/engine.ts";
import type { EngineOptions } from "../placement/engines.ts";
import { bounds } from "../spec/bounds.ts";
import type { CoordCheckOptions as CheckOptions } from "../studies/coord-check.ts";
import type { CurvesOptions as CurveOptions } from "../studies/curves.ts";
import type { ForecastOptions } from "../studies/forecast.ts";
import type { Interval } from "../studies/setting.ts";
import type { SweepOptions as Sweeping } from "../studies/sweep.ts";
import type { TransferOptions as Launching } from "../studies/transfer.ts";
import { flag, listOf, mappingOf, oneOf, path, positive, whole, type Rules } from "./arguments.ts";

/** The name of a spec that is no file, in diagnostics. */
export const unnamed = "spec";

/** What every study takes. */
export interface StudyOptions {
  /** Its abort stops the study at a checkpoint: the study rejects with `Stopped`, and the same call goes on from there. */
  readonly signal?: AbortSignal;
}

/** How often unfinished training is kept; every five minutes unless given, and never where it is empty. */
interface Kept {
  readonly checkpoint?: Interval;
}

/** Where a sweep is trained and kept. */
export interface SweepOptions extends StudyOptions, Omit<Sweeping, "checkpoint">, Kept {}
/** What is launched, where, and in spite of what. */
export interface TransferOptions extends StudyOptions, Omit<Launching, "checkpoint">, Kept {}
/** Where curves are trained and kept. */
export interface CurvesOptions extends StudyOptions, Omit<CurveOptions, "checkpoint">, Kept {}
/** What is compared, how long, and where; as `mutransfer coord-check` does unless given. */
export interface CoordCheckOptions extends StudyOptions, Partial<CheckOptions> {}
/** Where the sweep would be trained. */
export interface PlanOptions extends StudyOptions, ForecastOptions {}
/** At which width; the target's unless given. */
export interface TableOptions extends StudyOptions {
  readonly width?: number;
}

const studyRules: Rules<StudyOptions> = {
  signal: { expected: "an AbortSignal", holds: (value) => value instanceof AbortSignal },
};
const engineRules: Rules<EngineOptions> = {
  engine: oneOf("auto", ...engineNames),
  jobs: whole(1, bounds.jobs),
  stack: whole(1, bounds.trials),
};
const keptRules: Rules<Kept> = { checkpoint: mappingOf<Interval>({ steps: whole(1), seconds: positive }) };
/** What its options have to be. */
export const sweepRules: Rules<SweepOptions> = { ...studyRules, ...engineRules, ...keptRules, out: path, extend: flag };
/** What its options have to be. */
export const transferRules: Rules<TransferOptions> = {
  ...{ ...studyRules, ...keptRules, engine: engineRules.engine, out: path },
  ...{ width: whole(1, bounds.width), force: flag, skipCheck: flag },
};
/** What its options have to be. */
export const curvesRules: Rules<CurvesOptions> = { ...studyRules, ...engineRules, ...keptRules, out: path };
/** What its options have to be. */
export const coordCheckRules: Rules<CoordCheckOptions> = {
  ...{ ...studyRules, engine: engineRules.engine, out: path, axis: oneOf("width", "depth") },
  sizes: listOf(whole(1, bounds.width)),
  // One seed has no standard error.
  seeds: whole(2, bounds.seeds),
  steps: whole(1, bounds.checkSteps),
  learningRate: positive,
};
/** What its options have to be. */
export const planRules: Rules<PlanOptions> = { ...studyRules, ...engineRules, out: path };
/** What its options have to be. */
export const tableRules: Rules<TableOptions> = { ...studyRules, width: whole(1, bounds.width) };

/** Every option by its name as data. */
export const optionNames: ReadonlySet<string> = new Set(
  [sweepRules, transferRules, curvesRules, coordCheckRules, planRules, tableRules].flatMap(Object.keys),
);
