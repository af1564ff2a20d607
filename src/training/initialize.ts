/**
 * A stack's starting state: initial weights from each lane's seed and scales, and
 * the (N,) scalars of its program. The only place where resolved scales become
 * numbers an engine sees.
 */
import type { State } from "../engines/engine.ts";
import { parametersOf, type ModelConfig, type ParameterTensor } from "../model/config.ts";
import { decayOf, epsilonOf, scalarGroupOf, learningRateOf, multipliers, type ScalarGroup } from "../model/transformer.ts";
import { attentionScale, residualMultiplier, resolve, type ResolvedScales, type Scaling } from "../parametrization/resolve.ts";
import type { Hyperparameters } from "../parametrization/roles.ts";
import type { Ref } from "../program/ops.ts";
import { sizeOf } from "../program/program.ts";
import { randomStream } from "../rng.ts";

/** One trial's place in a stack. */
export interface Lane {
  readonly hyperparameters: Required<Hyperparameters>;
  /** Decides the initial weights. */
  readonly seed: number;
}

/** Fan-in at the base width: every fan-in of this architecture is proportional to the width. */
export function scalesOf(parameter: ParameterTensor, hyperparameters: Required<Hyperparameters>, scaling: Scaling): ResolvedScales {
  const baseFanIn = parameter.fanIn === 1 ? 1 : (parameter.fanIn * scaling.baseWidth) / scaling.width;
  return resolve(hyperparameters, scaling, { role: parameter.role, baseFanIn, zeroInit: parameter.zeroInit, inBlock: parameter.inBlock });
}

function initialWeights(parameter: ParameterTensor, lane: Lane, scaling: Scaling): Float32Array {
  const values = new Float32Array(sizeOf(parameter.shape));
  if (parameter.role === "norm") return values.fill(1);
  const { initStd } = scalesOf(parameter, lane.hyperparameters, scaling);
  if (initStd === 0) return values;
  const stream = randomStream(lane.seed, `weights ${parameter.name}`);
  return values.map(() => initStd * stream.normal());
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
  const output = scalarGroups.get("readout") as ParameterTensor;
  const input = scalarGroups.get("embedding") as ParameterTensor;
  const values = new Map<Ref, (lane: Lane) => number>([
    [multipliers.input, (lane) => scalesOf(input, lane.hyperparameters, scaling).multiplier],
    [multipliers.output, (lane) => scalesOf(output, lane.hyperparameters, scaling).multiplier],
    [multipliers.attention, (lane) => attentionScale(lane.hyperparameters, scaling)],
    [multipliers.residual, () => residualMultiplier(scaling)],
    ...perScalarGroup(learningRateOf, ({ learningRate }) => learningRate),
    ...perScalarGroup(decayOf, ({ learningRate, weightDecay }) => learningRate * weightDecay),
    ...perScalarGroup(epsilonOf, ({ epsilon }) => epsilon),
  ]);
  return new Map(scalars.map((name) => [name, Float32Array.from(lanes, values.get(name) as (lane: Lane) => number)]));
}

/** Starting state of a stack of lanes, [N, …]; a lane's numbers do not depend on its neighbours. */
export function initialState(config: ModelConfig, scaling: Scaling, lanes: readonly Lane[], scalars: readonly Ref[]): State {
  return {
    step: 0,
    scalars: initialScalars(config, scaling, lanes, scalars),
    parameters: new Map(
      parametersOf(config).map((parameter) => {
        const size = sizeOf(parameter.shape);
        const weight = new Float32Array(lanes.length * size);
        lanes.forEach((lane, index) => weight.set(initialWeights(parameter, lane, scaling), index * size));
        return [parameter.name, { weight, firstMoment: new Float32Array(weight.length), secondMoment: new Float32Array(weight.length) }];
      }),
    ),
  };
}
