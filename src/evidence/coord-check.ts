/**
 * The coordinate check: a family of models that differ in width (or depth) trained
 * for a few steps in regimes that bring out every rule of the abc table, beside a
 * control that must not be flat. Source of the idea: TP-V, appendix D.1.
 */
import type { Batches } from "../engines/engine.ts";
import { parameterCount } from "../model/config.ts";
import type { BaseHps } from "../parametrization/roles.ts";
import type { Compile } from "../training/train.ts";
import { takeReadings, type Conditions, type Exercise, type Reading, type Subject } from "./coordinates.ts";
import type { CoordCheck } from "./records.ts";
import { coordinatesOf, judge } from "./verdict.ts";

export interface CheckPlan {
  readonly name: string;
  readonly axis: "width" | "depth";
  /** Widths or depths, ascending. */
  readonly sizes: readonly number[];
  readonly parametrization: string;
  readonly subject: (size: number) => Subject;
  /** The same models without the rules that are checked. */
  readonly control: (size: number) => Subject;
  readonly hps: BaseHps;
  /** Adam's ε at the base width, as the spec has it. */
  readonly epsilon: number;
  readonly seeds: readonly number[];
  readonly steps: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly batch: Batches;
  readonly threads: number;
}

/** An ε far above the gradients of one batch's mean loss, so that updates are proportional to gradient ÷ ε. */
const dominantEpsilon = 0.01;
/** Share of a weight that decays in one step: after ten, two thirds. */
const strongDecay = 0.1;

/** Trains and judges; `say` hears which model is next. */
export async function coordCheck(compile: Compile, plan: CheckPlan, say: (text: string) => void): Promise<CoordCheck> {
  const { axis, sizes, seeds, steps, beta1, beta2, batch, threads, epsilon } = plan;
  const hps = { ...plan.hps, weight_decay: 0 };
  const decaying = { ...hps, weight_decay: strongDecay / hps.learning_rate };
  const adam: Conditions = { regime: "adam", hps, epsilon };
  const all: readonly Conditions[] = [
    adam,
    { regime: "epsilon", hps, epsilon: dominantEpsilon },
    { regime: "decay", hps: decaying, epsilon },
  ];
  const measuredSteps = [...new Set([0, 1, 2, steps])].filter((step) => step <= steps);
  const exercise: Exercise = {
    ...{ seeds, beta1, beta2, measuredSteps, batch, threads },
    blocks: axis === "width" ? "all" : "halfway",
  };
  const subjects: (readonly Reading[])[] = [];
  const controls: (readonly Reading[])[] = [];
  for (const size of sizes) {
    say(`${axis} ${size}`);
    subjects.push(await takeReadings(compile, plan.subject(size), all, exercise));
    controls.push(await takeReadings(compile, plan.control(size), [adam], exercise));
  }
  const [coordinates, control] = [coordinatesOf(sizes, subjects), coordinatesOf(sizes, controls)];
  const parameters = sizes.map((size) => parameterCount(plan.subject(size).model));
  return {
    version: 1,
    name: plan.name,
    axis,
    sizes: [...sizes],
    parameters,
    seeds: seeds.length,
    steps,
    learning_rate: hps.learning_rate,
    parametrization: plan.parametrization,
    ...judge(axis, coordinates, control, parameters),
    coordinates: [...coordinates],
    control: [...control],
  };
}
