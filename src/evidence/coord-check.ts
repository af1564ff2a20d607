/**
 * The coordinate check: a family of models that differ in width (or depth) trained
 * for a few steps in regimes that bring out every rule of the abc table, beside controls
 * that each break the rules of one quantity and must not be flat. Source of the idea: TP-V, appendix D.1.
 */
import type { Batches } from "../engines/engine.ts";
import type { Scaling } from "../parametrization/resolve.ts";
import type { CompleteHyperparameters } from "../parametrization/roles.ts";
import type { Conditions, Exercise, Reading, Regime, Subject } from "../training/coordinates.ts";
import type { CoordCheck } from "./records.ts";
import { coordinatesOf, judge, type Judged } from "./verdict.ts";

/** A way to break the rules of one quantity, all else as it is. */
export interface Control {
  /** The quantity as verdicts call it. */
  readonly without: string;
  /** In which regime it shows. */
  readonly regime: Regime;
  readonly broken: (scaling: Scaling) => Scaling;
  /** Whether it decides how weights begin (shown at step 0), how they go on in a step or two, or is what the report draws beside the check. */
  readonly shows: "at the start" | "soon" | "throughout";
}

/** What a coordinate check trains, and how. */
export interface CheckPlan extends Pick<Judged, "axis" | "roles" | "substitutes" | "withoutAdvice"> {
  readonly name: string;
  /** Widths or depths, ascending. */
  readonly sizes: readonly number[];
  readonly parametrization: string;
  readonly subject: (size: number) => Subject;
  readonly controls: readonly Control[];
  /** How many parameters the subject of a size has. */
  readonly parameters: (size: number) => number;
  /** Tensors that begin as sums of random numbers over the width, and shrink with it at first: only what they move by is to be flat. */
  readonly movesOnly: readonly string[];
  readonly hyperparameters: CompleteHyperparameters;
  /** Adam's ε at the base width, as the spec has it. */
  readonly epsilon: number;
  /** Seeds of the first round, and of further ones, which only regimes with doubtful coordinates are given. */
  readonly rounds: readonly (readonly number[])[];
  readonly steps: number;
  /** Without clipping, which acts on all tensors together, and without a z-loss. */
  readonly optimizer: Exercise["optimizer"];
  readonly batch: Batches;
  readonly threads: number;
}

/**
 * An ε far above the gradients of one batch's mean loss, which an output multiplier multiplies, so that updates are proportional to
 * gradient ÷ ε. Behind a readout that does not begin at zero, gradients are large from the first step on.
 */
const dominantEpsilon = ({ hyperparameters: { output_multiplier: output }, movesOnly }: CheckPlan): number =>
  (movesOnly.length > 0 ? 1 : 0.01) * Math.max(1, output);
/** Share of a weight that decays in one step: after ten, two thirds. */
const strongDecay = 0.1;
/** Steps after which a rule of learning rate, multiplier, ε or decay has shown: in two, what starts at zero has moved what is after it. */
const soon = 2;

/** Trains one model under each of some conditions, and gives what all its tensors show. */
export type Read = (subject: Subject, conditions: readonly Conditions[], exercise: Exercise) => Promise<readonly Reading[]>;

/** Who hears which size is next, and why seeds are added. */
export interface Listener {
  readonly size: (size: number) => void;
  readonly doubt: (reason: string) => void;
}

/** The conditions of each regime: what makes which rules matter. */
export function regimesOf(plan: CheckPlan): { readonly [R in Regime]: Conditions } {
  const { hyperparameters: stated, epsilon } = plan;
  const hyperparameters = { ...stated, weight_decay: 0 };
  const { learning_rate: rate, muon_learning_rate: muonRate } = stated;
  // What decays goes by the learning rate, so that both kinds of tensor need the same one.
  const decaying = { ...hyperparameters, weight_decay: strongDecay / rate, ...(muonRate !== undefined && { muon_learning_rate: rate }) };
  return {
    adam: { regime: "adam", hyperparameters, epsilon },
    epsilon: { regime: "epsilon", hyperparameters, epsilon: dominantEpsilon(plan) },
    decay: { regime: "decay", hyperparameters: decaying, epsilon },
  };
}

/** Has every model read and judges; what is in doubt is read again on fresh seeds, as long as there are any. */
export async function coordCheck(read: Read, plan: CheckPlan, say: Listener): Promise<CoordCheck> {
  const { axis, sizes, rounds, steps } = plan;
  const { muon_learning_rate: muonRate } = plan.hyperparameters;
  const regimes = regimesOf(plan);
  const parameters = sizes.map((size) => plan.parameters(size));
  const [opening, ...further] = rounds;
  let readings = await readAll(read, plan, Object.values(regimes), plan.controls, opening, say);
  for (let round = 0; ; round++) {
    const [coordinates, control] = [false, true].map((isControl) =>
      coordinatesOf(
        sizes,
        readings.map((each) => each.filter(({ without }) => (without !== undefined) === isControl)),
        plan.movesOnly,
      ),
    );
    const judgement = judge({ ...plan, coordinates, control, parameters, quantities: plan.controls.map(({ without }) => without) });
    const doubtful = coordinates.filter(({ verdict }) => verdict === "WARN");
    if (doubtful.length === 0 || judgement.verdict !== "WARN" || round === further.length)
      return {
        ...{ version: 2, name: plan.name, axis, sizes: [...sizes], parameters },
        seeds: Math.max(...readings[0].map(({ size }) => size.length)),
        steps,
        learning_rate: plan.hyperparameters.learning_rate,
        ...(muonRate !== undefined && { muon_learning_rate: muonRate }),
        parametrization: plan.parametrization,
        ...judgement,
        coordinates: [...coordinates],
        control: [...control],
      };
    say.doubt(`${doubtful.length} of ${coordinates.length} coordinates are in doubt: ${further[round].length} more seeds of each size`);
    const again = [...new Set(doubtful.map(({ regime }) => regime))].map((regime) => regimes[regime]);
    readings = joined(readings, await readAll(read, plan, again, [], further[round], say));
  }
}

/** Readings of all sizes under some conditions and controls. */
async function readAll(
  read: Read,
  plan: CheckPlan,
  conditions: readonly Conditions[],
  controls: readonly Control[],
  seeds: readonly number[],
  say: Listener,
): Promise<readonly (readonly Reading[])[]> {
  const { axis, sizes, steps, optimizer, batch, threads } = plan;
  const regimes = regimesOf(plan);
  const stepsUpTo = (last: number): readonly number[] => [...new Set([0, 1, 2, last])].filter((step) => step <= Math.min(last, steps));
  const measuredSteps = stepsUpTo(steps);
  const exercise: Exercise = { seeds, optimizer, measuredSteps, batch, threads, blocks: axis === "width" ? "all" : "halfway" };
  const all: (readonly Reading[])[] = [];
  for (const size of sizes) {
    say.size(size);
    const subject = plan.subject(size);
    const conditionsOf = ({ without, regime, broken, shows }: Control): Conditions => ({
      ...regimes[regime],
      control: {
        without,
        scaling: broken(subject.scaling),
        fromTheStart: shows === "at the start",
        measuredSteps: shows === "at the start" ? [0] : shows === "soon" ? stepsUpTo(soon) : measuredSteps,
      },
    });
    all.push(await read(subject, [...conditions, ...controls.map(conditionsOf)], exercise));
  }
  return all;
}

/** Readings with the seeds of later ones of the same tensors joined to them. */
function joined(readings: readonly (readonly Reading[])[], later: readonly (readonly Reading[])[]): readonly (readonly Reading[])[] {
  const keyOf = ({ regime, tensor, step }: Reading): string => `${regime} ${tensor} ${step}`;
  return readings.map((ofSize, index) => {
    const more = new Map(later[index].map((each) => [keyOf(each), each]));
    return ofSize.map((each) => {
      const { size = [], update = [] } = (each.without === undefined ? more.get(keyOf(each)) : undefined) ?? {};
      return { ...each, size: [...each.size, ...size], update: [...each.update, ...update] };
    });
  });
}
