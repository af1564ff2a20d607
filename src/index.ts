/**
 * The library: what `import … from "mutransfer"` gives. Studies are promises and async iterables of
 * their events, stopped by an AbortSignal; they print nothing, end no process and listen to no signal.
 * Everything else in this package is no promise.
 */
export { UserError, type Diagnostic, type ErrorKind, type Position } from "./errors.ts";
export type { Device, EngineName } from "./engines/engine.ts";
export type { Axis, CoordCheck, Curves, Prelaunch, TransferVerdict, Verdict } from "./evidence/records.ts";
export { parametrize, type Parametrized, type ParametrizeInput, type TensorInput } from "./library/parametrize.ts";
export type {
  CoordCheckOptions,
  CurvesOptions,
  PlanOptions,
  StudyOptions,
  SweepOptions,
  TableOptions,
  TransferOptions,
} from "./library/options.ts";
export type { Study } from "./library/study.ts";
export { coordCheck, curves, plan, readResults, sweep, table, transfer, type Spec, type SpecInput, type Written } from "./library/verbs.ts";
export type { Size } from "./model/config.ts";
export type { ResolvedScales } from "./parametrization/resolve.ts";
export type { HyperparameterName, Hyperparameters, Parametrization, Role } from "./parametrization/roles.ts";
export type { Arrangement, Setup, Timed } from "./placement/arrangements.ts";
export type { Results } from "./run/results.ts";
export type { TrialResult } from "./run/trial-result.ts";
export type { Architecture } from "./spec/architecture.ts";
export type { CompleteSpec, HyperparameterSpace } from "./spec/complete.ts";
export type { Recipe } from "./spec/recipe.ts";
export type { HyperparameterDomain } from "./spec/schema.ts";
export type { Counted, PlanCounts, Raced } from "./studies/counts.ts";
export type { StudyEvent, SweepEvent } from "./studies/events.ts";
export type { Forecast, PlanSummary, RacedForecast } from "./studies/forecast.ts";
export type { TransferContent as TransferResult } from "./studies/launch.ts";
export type { Interval } from "./studies/setting.ts";
export { Stopped, type Left } from "./studies/stopping.ts";
export type { PlanTable } from "./studies/table.ts";
export type { Evaluation } from "./sweep/events.ts";
export type { TensorRow, TensorTable } from "./training/tensor-table.ts";
