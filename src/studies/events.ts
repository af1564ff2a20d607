/**
 * Everything that is told while a study goes on, in the order it happens: what the live
 * display, `--events`, `status` and a page read. Events are data; nobody here prints.
 */
import type { Device } from "../engines/engine.ts";
import type { Axis, Prelaunch } from "../evidence/records.ts";
import type { TargetVerdict } from "../evidence/target.ts";
import type { Size } from "../model/config.ts";
import type { Setup } from "../placement/arrangements.ts";
import type { Results } from "../run/results.ts";
import type { Plan } from "../spec/plan.ts";
import type { SweepEvent } from "../sweep/events.ts";
import { passesOf } from "../sweep/generalization.ts";
import type { TensorTable } from "../training/tensor-table.ts";
import type { PlanCounts } from "./counts.ts";
import type { Launch } from "./launch.ts";

export type { SweepEvent } from "../sweep/events.ts";

/** One thing that happened in a study. */
export type StudyEvent =
  | SweepEvent
  /** All trials have ended, and their results are written. */
  | { readonly event: "sweep_finished"; readonly best: Results["best"]; readonly cost: Results["cost"]; readonly results: string }
  /** Nothing is being trained any longer, whether it has come to its end or not. */
  | { readonly event: "training_over" }
  /** What is to be trained is known, how often each training reads its text, and that it is what the run in the folder trains, if there is one. */
  | { readonly event: "plan_read"; readonly plan: Plan; readonly passes: number; readonly by: "sweep" | "curves" }
  /** A run was found in a folder, or will be begun there; `notes` say how it was found. */
  | { readonly event: "run_opened"; readonly notes: readonly string[] }
  /** Engine and arrangement are decided. */
  | { readonly event: "setup_chosen"; readonly plan: Plan; readonly setup: Setup }
  /** The engine of a coordinate check, which is not timed. */
  | { readonly event: "engine_chosen"; readonly version: string; readonly device: Device }
  /** What the target will be is known; `tensors` is what each of its tensors gets. */
  | {
      readonly event: "launch_planned";
      readonly launch: Launch;
      readonly tensors: TensorTable;
      readonly best: NonNullable<Results["best"]>;
      readonly proxyWidth: number;
    }
  /** `share` of the target's training FLOPs is what the check costs besides its coordinates, and about so many seconds, where that could be timed. */
  | { readonly event: "prelaunch_started"; readonly share: number; readonly seconds: number | null }
  /** What the check has found. */
  | { readonly event: "prelaunch_finished"; readonly prelaunch: Prelaunch }
  /** The target has been trained, and what it has come to is written to `path`. */
  | {
      readonly event: "transfer_finished";
      readonly verdict: TargetVerdict["word"];
      readonly reasons: readonly string[];
      /** In nats; null when it diverged. */
      readonly validationLoss: number | null;
      readonly proxyValidationLoss: number;
      readonly path: string;
    }
  /** The target is launched although the check, or an edge of what was tried, speaks against it. */
  | { readonly event: "objections_overruled"; readonly objections: readonly string[] }
  /** The coordinate check trains its models of this size next; `within` says for what. */
  | { readonly event: "size_started"; readonly axis: Axis; readonly size: number; readonly within: "coord-check" | "prelaunch" }
  /** A stop was asked for, and comes when what is in hand is kept. */
  | { readonly event: "stopping"; readonly after: "checkpoint" | "size" }
  /** What a plan costs is counted; what depends on the engine follows. */
  | { readonly event: "plan_counted"; readonly counts: PlanCounts }
  /** Steps of models of this size are timed next, for about so many seconds. */
  | { readonly event: "timing_started"; readonly of: "proxies" | "target"; readonly size: Size; readonly seconds: number }
  /** The target's step is not timed but scaled from the proxies'; `why` says what keeps it from being trained here. */
  | { readonly event: "target_not_timed"; readonly why: string }
  /** What is worth telling and has no form of its own. */
  | { readonly event: "note"; readonly note: string };

/** What is told of a plan when it is read; a spec that says what curves to draw may be swept all the same. */
export const planRead = (plan: Plan, by: "sweep" | "curves"): StudyEvent => ({
  ...{ event: "plan_read", plan, passes: passesOf(plan.spec, plan.dataset.train.count), by },
});

/** Told of each event as it happens. */
export type Emit = (event: StudyEvent) => void;
