/**
 * A stack's starting state: initial weights from each lane's seed and scales, and
 * the (N,) scalars of its program. The only place where resolved scales become
 * numbers an engine sees.
 */
import type { ParameterState, State } from "../engines/engine.ts";
import type { ModelConfig } from "../model/config.ts";
import { decayOf, epsilonOf, learningRateOf, type ScalarGroup, scalarGroupOf } from "../model/step.ts";
import { multipliers, parametersOf, type ParameterTensor } from "../model/transformer.ts";
import { attentionScale, residualMultiplier, resolve, type ResolvedScales, type Scaling } from "../parametrization/resolve.ts";
import type { CompleteHyperparameters } from "../parametrization/roles.ts";
import type { Ref } from "../program/ops.ts";
import { partsOf, sizeOf, type Program } from "../program/program.ts";
import { randomStream } from "../rng.ts";

/** One trial's place in a stack. */
export interface Lane {
  readonly hyperparameters: CompleteHyperparameters;
  /** Decides the initial weights. */
  readonly seed: number;
}

/** Fan-in at the base width: every fan-in of this architecture is proportional to the width. */
export function scalesOf(parameter: ParameterTensor, hyperparameters: CompleteHyperparameters, scaling: Scaling): ResolvedScales {
  const baseFanIn = parameter.fanIn === 1 ? 1 : (parameter.fanIn * scaling.baseWidth) / scaling.width;
  return resolve(hyperparameters, scaling, { role: parameter.role, baseFanIn, zeroInit: parameter.zeroInit, inBlock: parameter.inBlock });
}

/** One lane's weights under each of some scalings, all of the same draws. */
function initialWeights(parameter: ParameterTensor, lane: Lane, scalings: readonly Scaling[]): readonly Float32Array[] {
  const weights = scalings.map(() => new Float32Array(sizeOf(parameter.shape)));
  if (parameter.role === "norm" || parameter.role === "head_norm") return weights.map((values) => values.fill(1));
  const stds = scalings.map((scaling) => scalesOf(parameter, lane.hyperparameters, scaling).initStd);
  if (stds.every((std) => std === 0)) return weights;
  const stream = randomStream(lane.seed, `weights ${parameter.name}`);
  for (let i = 0; i < weights[0].length; i++) {
    const normal = stream.normal();
    for (let k = 0; k < stds.length; k++) weights[k][i] = stds[k] * normal;
  }
  return weights;
}

/** Factors on a model's forward values, by the names of its program's scalars; a readout that is the embedding has the readout's all the same. */
export function forwardMultipliers(
  hyperparameters: CompleteHyperparameters,
  scaling: Scaling,
): Readonly<Record<(typeof multipliers)[keyof typeof multipliers], number>> {
  const ofRole = (role: "embedding" | "readout"): number =>
    resolve(hyperparameters, scaling, { role, baseFanIn: 1, zeroInit: false, inBlock: false }).multiplier;
  return {
    [multipliers.input]: ofRole("embedding"),
    [multipliers.attention]: attentionScale(hyperparameters, scaling),
    [multipliers.residual]: residualMultiplier(scaling),
    [multipliers.output]: ofRole("readout"),
  };
}

/** The (N,) scalars of a program for a stack of lanes. */
export function initialScalars(config: ModelConfig, scaling: Scaling, lanes: readonly Lane[], scalars: readonly Ref[]): State["scalars"] {
  const parameters = parametersOf(config);
  const scalarGroups = new Map(parameters.map((parameter) => [scalarGroupOf(config, parameter), parameter]));
  const perScalarGroup = (
    of: (scalarGroup: ScalarGroup) => Ref,
    value: (scales: ResolvedScales) => number,
  ): (readonly [Ref, (lane: Lane) => number])[] =>
    [...scalarGroups].map(([scalarGroup, parameter]) => [
      of(scalarGroup),
      (lane) => value(scalesOf(parameter, lane.hyperparameters, scaling)),
    ]);
  const values = new Map<Ref, (lane: Lane) => number>([
    ...Object.values(multipliers).map((name): [Ref, (lane: Lane) => number] => [
      name,
      (lane) => forwardMultipliers(lane.hyperparameters, scaling)[name],
    ]),
    ...perScalarGroup(learningRateOf, ({ learningRate }) => learningRate),
    ...perScalarGroup(decayOf, ({ learningRate, weightDecay }) => learningRate * weightDecay),
    ...perScalarGroup(epsilonOf, ({ epsilon }) => epsilon),
  ]);
  return new Map(scalars.map((name) => [name, Float32Array.from(lanes, values.get(name) as (lane: Lane) => number)]));
}

/** Starting states of a stack of lanes under each of some scalings, [N, …]; a lane's numbers do not depend on its neighbours, nor on other scalings. */
export function initialStates(
  config: ModelConfig,
  scalings: readonly Scaling[],
  lanes: readonly Lane[],
  program: Program,
): readonly State[] {
  const states = scalings.map((scaling) => ({
    step: 0,
    scalars: initialScalars(config, scaling, lanes, program.scalars),
    parameters: new Map<Ref, ParameterState>(),
  }));
  for (const parameter of parametersOf(config)) {
    const size = sizeOf(parameter.shape);
    // Nobody writes to what an engine is to load, so that what updates keep, which begins at zero, is one array.
    const zeros = new Float32Array(lanes.length * size);
    const array = (part: string): Float32Array => (part === "weight" ? new Float32Array(zeros.length) : zeros);
    for (const { parameters } of states) parameters.set(parameter.name, partsOf(program, parameter.name, array));
    lanes.forEach((lane, index) =>
      initialWeights(parameter, lane, scalings).forEach((values, k) =>
        states[k].parameters.get(parameter.name)?.weight.set(values, index * size),
      ),
    );
  }
  return states;
}

/** Starting state of a stack of lanes, [N, …]; a lane's numbers do not depend on its neighbours. */
export const initialState = (config: ModelConfig, scaling: Scaling, lanes: readonly Lane[], program: Program): State =>
  initialStates(config, [scaling], lanes, program)[0];
