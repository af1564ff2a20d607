/**
 * The coordinate check: a family of models that differ in width (or depth) trained
 * for a few steps in regimes that bring out every rule of the abc table, beside a
 * control that must not be flat. Source of the idea: TP-V, appendix D.1.
 */
import type { Batches } from "../engines/engine.ts";
import type { Hyperparameters } from "../parametrization/roles.ts";
import type { Conditions, Exercise, Reading, Subject } from "../training/coordinates.ts";
import type { CoordCheck } from "./records.ts";
import { coordinatesOf, judge } from "./verdict.ts";

/** What a coordinate check trains, and how. */
export interface CheckPlan {
  readonly name: string;
  readonly axis: "width" | "depth";
  /** Widths or depths, ascending. */
  readonly sizes: readonly number[];
  readonly parametrization: string;
  readonly subject: (size: number) => Subject;
  /** The same models without the rules that are checked. */
  readonly control: (size: number) => Subject;
  /** How many parameters the subject of a size has. */
  readonly parameters: (size: number) => number;
  readonly hyperparameters: Required<Hyperparameters>;
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

/** Trains one model under each of some conditions, and gives what all its tensors show. */
export type Read = (subject: Subject, conditions: readonly Conditions[], exercise: Exercise) => Promise<readonly Reading[]>;

/** Has every model read and judges; `say` hears which size is next. */
export async function coordCheck(read: Read, plan: CheckPlan, say: (size: number) => void): Promise<CoordCheck> {
  const { axis, sizes, seeds, steps, beta1, beta2, batch, threads, epsilon } = plan;
  const hyperparameters = { ...plan.hyperparameters, weight_decay: 0 };
  const decaying = { ...hyperparameters, weight_decay: strongDecay / hyperparameters.learning_rate };
  const adam: Conditions = { regime: "adam", hyperparameters, epsilon };
  const all: readonly Conditions[] = [
    adam,
    { regime: "epsilon", hyperparameters, epsilon: dominantEpsilon },
    { regime: "decay", hyperparameters: decaying, epsilon },
  ];
  const measuredSteps = [...new Set([0, 1, 2, steps])].filter((step) => step <= steps);
  const exercise: Exercise = {
    ...{ seeds, beta1, beta2, measuredSteps, batch, threads },
    blocks: axis === "width" ? "all" : "halfway",
  };
  const subjects: (readonly Reading[])[] = [];
  const controls: (readonly Reading[])[] = [];
  for (const size of sizes) {
    say(size);
    subjects.push(await read(plan.subject(size), all, exercise));
    controls.push(await read(plan.control(size), [adam], exercise));
  }
  const [coordinates, control] = [coordinatesOf(sizes, subjects), coordinatesOf(sizes, controls)];
  const parameters = sizes.map((size) => plan.parameters(size));
  return {
    version: 1,
    name: plan.name,
    axis,
    sizes: [...sizes],
    parameters,
    seeds: seeds.length,
    steps,
    learning_rate: hyperparameters.learning_rate,
    parametrization: plan.parametrization,
    ...judge(axis, coordinates, control, parameters),
    coordinates: [...coordinates],
    control: [...control],
  };
}
