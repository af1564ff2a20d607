/** Small trainings that the cuda engine and the CPU must agree on, and the stacks in which a trial must be the same. */
import { expect } from "vitest";
import { engineHost } from "../../src/cache.ts";
import type { Engine, Precision, State } from "../../src/engines/engine.ts";
import { engines } from "../../src/engines/registry.ts";
import type { ModelConfig } from "../../src/model/config.ts";
import { trainingStep, type OptimizerConfig } from "../../src/model/step.ts";
import { rulesOf } from "../../src/parametrization/table.ts";
import type { Program } from "../../src/program/program.ts";
import { randomStream } from "../../src/rng.ts";
import { initialState } from "../../src/training/initialize.ts";
import { tolerances } from "../tolerances.ts";
import { emulatedCuda, type EmulatedSettings } from "./cuda.ts";
import { cpuEngine } from "./native.ts";

export interface Work extends EmulatedSettings {
  readonly model?: Partial<ModelConfig>;
  readonly optimizer?: Partial<OptimizerConfig>;
  readonly batch: number;
  readonly trials?: number;
  readonly steps?: number;
  /** AdamW's. */
  readonly epsilon?: number;
  readonly precision?: Precision;
}
export interface Trained {
  /** [K, N] */
  readonly losses: readonly number[];
  readonly state: State;
}

const configOf = ({ model }: Work): ModelConfig => ({
  ...{ layers: 1, width: 24, headDim: 8, context: 20, mlpRatio: 2, vocabSize: 40, biases: true, zeroInit: [] },
  ...model,
});
export const programOf = (work: Work): Program =>
  trainingStep(configOf(work), {
    ...{ trials: work.trials ?? 1, batch: work.batch, beta1: 0.9, beta2: 0.95, weightDecay: true },
    ...work.optimizer,
  });

/** Losses and the state after the first `made` of the steps, in so many calls, of trials that differ in seed and learning rate. */
export async function trained(
  engine: Engine,
  work: Work,
  { calls = 1, made = work.steps ?? 2 }: { readonly calls?: number; readonly made?: number } = {},
): Promise<Trained> {
  const { batch, trials = 1, steps = 2, epsilon = 1e-8, precision = "float32", optimizer } = work;
  const config = configOf(work);
  const program = programOf(work);
  const hasMuon = optimizer?.muonMomentum !== undefined;
  const scaling = {
    ...{ rules: rulesOf("mup", { ...config, muon: hasMuon }), width: config.width, baseWidth: 16, headDim: config.headDim, epsilon },
    ...(hasMuon && ({ muon: true } as const)),
  };
  const hyperparameters = {
    ...{ init_std: 1, embedding_std: 1, input_multiplier: 1, output_multiplier: 4 },
    ...{ attention_multiplier: 1, weight_decay: 0.1 },
  };
  const lanes = Array.from({ length: trials }, (_, seed) => ({
    seed,
    hyperparameters: { ...hyperparameters, learning_rate: 0.002 * (seed + 1), muon_learning_rate: 0.01 * (seed + 1) },
  }));
  const stream = randomStream(4, "cuda batches");
  const cells = batch * config.context;
  const ids = (): Int32Array => Int32Array.from({ length: steps * cells }, () => stream.integer(config.vocabSize));
  const [tokens, targets] = [ids(), ids()];
  const executable = await engine.compile(program, { threads: 1, precision });
  try {
    executable.load(initialState(config, scaling, lanes, program));
    const losses: number[] = [];
    for (let call = 0; call < calls; call++) {
      const [first, end] = [call, call + 1].map((each) => (each * made) / calls);
      const part = (all: Int32Array): Int32Array => all.slice(first * cells, end * cells);
      const chunk = { count: end - first, tokens: part(tokens), targets: part(targets), factors: new Float32Array(end - first).fill(1) };
      losses.push(...(await executable.train(chunk)));
    }
    return { losses, state: await executable.read() };
  } finally {
    await executable.dispose();
  }
}

/** One lane of what was trained. */
export function laneOf({ losses, state }: Trained, lane: number, trials: number) {
  const share = (values: Float32Array): Float32Array =>
    values.slice((lane * values.length) / trials, ((lane + 1) * values.length) / trials);
  return {
    losses: losses.filter((_, index) => index % trials === lane),
    parameters: [...state.parameters.values()].map((parts) => Object.values(parts as Readonly<Record<string, Float32Array>>).map(share)),
  };
}

const normOf = (values: Float32Array): number => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
const largestOf = (values: Float32Array): number => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** Losses of some steps, and every gradient of the first, as the CPU has them in float32. */
export async function expectSameTraining(work: Work): Promise<void> {
  const { trials = 1, precision = "float32" } = work;
  const isMixed = precision === "mixed";
  const [here, there] = [await emulatedCuda(work), await engines[cpuEngine].open(engineHost())];
  const onCpu = { ...work, precision: "float32" } as const;
  const [actual, expected] = [await trained(here, work), await trained(there, onCpu)];
  const nats = isMixed ? tolerances.mixedTenSteps : tolerances.tenSteps;
  expected.losses.forEach((loss, index) => expect(Math.abs(actual.losses[index] - loss), `loss ${index}`).toBeLessThan(nats));
  // After one step AdamW's first moment is the gradient, as Muon's momentum is.
  const [first, onCpuFirst] = [await trained(here, work, { made: 1 }), await trained(there, onCpu, { made: 1 })];
  const gradientOf = ({ state }: Trained, name: string): Float32Array => {
    const parts = state.parameters.get(name) as Readonly<Record<string, Float32Array>> | undefined;
    return parts?.["firstMoment"] ?? parts?.["momentum"] ?? new Float32Array();
  };
  for (const name of onCpuFirst.state.parameters.keys())
    for (let lane = 0; lane < trials; lane++) {
      const share = (values: Float32Array): Float32Array =>
        values.slice((lane * values.length) / trials, ((lane + 1) * values.length) / trials);
      const [gradient, other] = [share(gradientOf(onCpuFirst, name)), share(gradientOf(first, name))];
      expect(gradient.length, name).toBeGreaterThan(0);
      const difference = gradient.map((value, index) => value - other[index]);
      const [size, tolerance] = isMixed ? [normOf, tolerances.mixedPass] : [largestOf, tolerances.onePass];
      // A NaN must not get lost in the largest.
      expect(normOf(difference), `gradient of ${name}, lane ${lane}`).not.toBeNaN();
      expect(size(difference) / Math.max(size(gradient), tolerances.smallestScale), `gradient of ${name}, lane ${lane}`).toBeLessThan(
        tolerance,
      );
    }
}

/** The first trial's bits are those of any stack, tile, number of steps in a call and share of lanes. */
export async function expectSameBits(work: Work): Promise<void> {
  const alone = laneOf(await trained(await emulatedCuda(work), work), 0, 1);
  const variants: readonly (readonly [number, number, Required<EmulatedSettings>["limits"]])[] = [
    [3, 1, {}],
    [1, 2, { fullGrid: 1 }],
    [3, 2, { fullGrid: 1, logitFloats: 128 * 160 }],
    [3, 1, { lanes: 2 }],
    [1, 1, { steps: 1 }],
    [2, 1, { spanFloats: 64 }],
  ];
  for (const [trials, calls, limits] of variants) {
    const stack = await trained(await emulatedCuda({ ...work, limits }), { ...work, trials }, { calls });
    expect(laneOf(stack, 0, trials)).toEqual(alone);
  }
}
