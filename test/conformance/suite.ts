/**
 * One suite for every engine: agreement with the float64 reference on awkward
 * shapes, PyTorch's goldens, and what a stack promises.
 */
import { readFileSync } from "node:fs";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Batches, Engine, Executable, ParameterState, State } from "../../src/engines/engine.ts";
import type { ModelConfig } from "../../src/model/config.ts";
import { trainingStep, type OptimizerConfig } from "../../src/model/step.ts";
import { parametersOf } from "../../src/model/transformer.ts";
import type { Scaling } from "../../src/parametrization/resolve.ts";
import type { CompleteHyperparameters } from "../../src/parametrization/roles.ts";
import { depthExponents, depthTable, rulesOf } from "../../src/parametrization/table.ts";
import type { Ref } from "../../src/program/ops.ts";
import { sizeOf, type Program } from "../../src/program/program.ts";
import { scheduleFactor } from "../../src/program/schedule.ts";
import { randomStream } from "../../src/rng.ts";
import { initialState, type Lane } from "../../src/training/initialize.ts";
import { referencePass, referenceTraining } from "../support/reference.ts";
import { tolerances } from "../tolerances.ts";

interface Golden {
  readonly config: {
    readonly layers: number;
    readonly head_dim: number;
    readonly context: number;
    readonly batch: number;
    readonly vocab: number;
    readonly mlp_ratio: number;
    readonly beta1: number;
    readonly beta2: number;
    readonly epsilon: number;
    readonly weight_decay: number;
    readonly steps: number;
    readonly warmup: number;
    readonly final: number;
    readonly parametrization: "sp" | "mup" | "completep";
    /** Depth at which hyperparameters are stated. */
    readonly base_layers?: number;
    readonly base: number;
    readonly width: number;
    readonly biases: boolean;
    readonly norm?: "rms_norm";
    readonly rope_theta?: number;
    readonly mlp?: "swiglu" | "relu2";
    readonly queries_per_kv?: number;
    readonly qk_norm?: true;
    readonly tied?: true;
    readonly optimizer?: "muon";
    readonly momentum?: number;
    readonly clip?: number;
    readonly z_loss?: number;
  };
  readonly hyperparameters: CompleteHyperparameters;
  readonly logits: readonly number[];
  readonly gradients: Readonly<Record<string, readonly number[]>>;
  readonly losses: readonly number[];
}

const goldens = JSON.parse(readFileSync(new URL("../golden/golden.json", import.meta.url), "utf8")) as Readonly<Record<string, Golden>>;

const defaultHps: CompleteHyperparameters = {
  learning_rate: 0.01,
  init_std: 1,
  embedding_std: 1,
  input_multiplier: 1,
  output_multiplier: 4,
  attention_multiplier: 1,
  weight_decay: 0,
};

/** Largest difference, relative to the largest entry of what is expected, or to `smallestScale`. */
function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  let [difference, largest] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    difference = Math.max(difference, Math.abs(actual[i] - expected[i]));
    largest = Math.max(largest, Math.abs(expected[i]));
  }
  return difference / Math.max(largest, tolerances.smallestScale);
}

function randomBatches(config: ModelConfig, batch: number, count: number): Batches {
  const stream = randomStream(5, "conformance batches");
  const ids = (): Int32Array => Int32Array.from({ length: count * batch * config.context }, () => stream.integer(config.vocabSize));
  return { count, tokens: ids(), targets: ids() };
}

/** Replaces the weights by values that exercise every entry: no zeros, gains and biases off their neutral values. */
function shuffled(state: State): State {
  const stream = randomStream(6, "conformance weights");
  const parameters = new Map(
    [...state.parameters].map(([name, { weight, ...moments }]) => [
      name,
      { ...moments, weight: weight.map(() => (name.endsWith("gain") ? 1 : 0) + 0.3 * stream.normal()) },
    ]),
  );
  return { ...state, parameters };
}

/** What the reference begins with. */
const startingValues = ({ parameters, scalars }: State): Map<Ref, Float64Array> =>
  new Map([
    ...[...parameters].map(([ref, { weight }]) => [ref, Float64Array.from(weight)] as const),
    ...[...scalars].map(([ref, data]) => [ref, Float64Array.from(data)] as const),
  ]);

/** The formulas of test/golden/make_golden.py. */
function goldenState(state: State, config: ModelConfig): State {
  const parameters = new Map(
    parametersOf(config).map(({ name, role, shape }, index) => {
      const weight = Float32Array.from({ length: sizeOf(shape) }, (_, i) => {
        const wave = Math.sin(0.37 * (index + 1) + 1.3 * i + 0.0021 * i * i);
        return role === "norm" || role === "head_norm" ? 1 + 0.2 * wave : 0.35 * wave;
      });
      return [name, { ...(state.parameters.get(name) as ParameterState), weight }];
    }),
  );
  return { ...state, parameters };
}
function goldenBatch({ batch, context, vocab }: Golden["config"], step: number): Batches {
  const id = (i: number): number => (i * i * 3 + i * 5 + 7 * step) % vocab;
  const windows = (shift: number): Int32Array =>
    Int32Array.from({ length: batch * context }, (_, cell) => id(Math.floor(cell / context) * (context + 1) + (cell % context) + shift));
  return { count: 1, tokens: windows(0), targets: windows(1) };
}

interface Setup {
  readonly config: ModelConfig;
  readonly scaling: Scaling;
  readonly program: Program;
}
function setup(
  overrides: Partial<ModelConfig>,
  trials: number,
  batch: number,
  weightDecay = false,
  optimizer: Partial<OptimizerConfig> = {},
): Setup {
  const config: ModelConfig = {
    layers: 2,
    width: 12,
    headDim: 4,
    context: 7,
    mlpRatio: 2,
    vocabSize: 11,
    biases: false,
    zeroInit: [],
    ...overrides,
  };
  const scaling: Scaling = {
    rules: rulesOf("mup", { ...config, muon: optimizer.muonMomentum !== undefined }),
    ...(optimizer.muonMomentum !== undefined && { muon: true }),
    width: config.width,
    baseWidth: config.width,
    headDim: config.headDim,
    epsilon: 1e-8,
    ...(config.scaledResiduals && { depth: { rules: depthExponents(0.5), layers: config.layers, baseLayers: 1 } }),
  };
  return { config, scaling, program: trainingStep(config, { trials, batch, beta1: 0.9, beta2: 0.95, weightDecay, ...optimizer }) };
}

/** Lanes that differ in everything a lane can differ in. */
const lanesOf = (count: number): readonly Lane[] =>
  Array.from({ length: count }, (_, n) => ({
    seed: 10 + n,
    hyperparameters: {
      ...defaultHps,
      learning_rate: 0.004 * (n + 1),
      output_multiplier: 2 + n,
      attention_multiplier: 1 + 0.3 * n,
      input_multiplier: 1 + 0.2 * n,
      weight_decay: 0.05 * n,
    },
  }));

interface Shape {
  readonly model: Partial<ModelConfig>;
  readonly trials: number;
  readonly batch: number;
  readonly optimizer?: Partial<OptimizerConfig>;
}
const shapes: Readonly<Record<string, Shape>> = {
  "a llama-like block": {
    model: { norm: "rms_norm", ropeTheta: 100, mlp: "swiglu", queriesPerKv: 3, width: 24, mlpRatio: 1.5 },
    ...{ trials: 2, batch: 3 },
  },
  "a qwen3-like block with a z-loss": {
    model: { norm: "rms_norm", ropeTheta: 1e6, mlp: "swiglu", queriesPerKv: 2, qkNorm: true, tiedEmbeddings: true, width: 16 },
    ...{ trials: 3, batch: 2, optimizer: { zLoss: 0.1 } },
  },
  "rotary positions of heads that fill no line, squared ReLU, biases": {
    model: { ropeTheta: 10, mlp: "relu2", biases: true, width: 20, headDim: 10, context: 19 },
    ...{ trials: 2, batch: 2 },
  },
  "norms of heads with learned positions": { model: { qkNorm: true, headDim: 3, biases: true }, trials: 2, batch: 2 },
  "tied embeddings": { model: { tiedEmbeddings: true, width: 20, headDim: 4, vocabSize: 37 }, trials: 2, batch: 2 },
  "one head of keys and values": {
    model: { queriesPerKv: 4, width: 32, headDim: 8, context: 70, scaledResiduals: true, ropeTheta: 1e4 },
    ...{ trials: 1, batch: 2 },
  },
  "eight heads of odd size that share one of keys and values, with norms": {
    model: { queriesPerKv: 8, width: 24, headDim: 3, qkNorm: true, mlp: "swiglu", mlpRatio: 0.5, biases: true },
    ...{ trials: 2, batch: 2 },
  },
  "tied embeddings above the one-hot limit, a context of one token": {
    model: { tiedEmbeddings: true, vocabSize: 700, context: 1, ropeTheta: 1e4, qkNorm: true, layers: 1 },
    ...{ trials: 2, batch: 5, optimizer: { zLoss: 0.01 } },
  },
  "one trial": { model: {}, trials: 1, batch: 3 },
  "three trials": { model: {}, trials: 3, batch: 3 },
  "biases, two trials": { model: { biases: true }, trials: 2, batch: 2 },
  "one layer, one head, one sequence": { model: { layers: 1, width: 5, headDim: 5 }, trials: 2, batch: 1 },
  "scaled residuals, two trials": { model: { layers: 3, scaledResiduals: true }, trials: 2, batch: 3 },
  "scaled residuals, biases": { model: { biases: true, scaledResiduals: true }, trials: 2, batch: 2 },
  "context of one token": { model: { context: 1 }, trials: 2, batch: 4 },
  "a feed-forward narrower than the width": { model: { width: 8, headDim: 2, mlpRatio: 0.5 }, trials: 1, batch: 2 },
  "three layers, biases": { model: { layers: 3, width: 6, headDim: 3, biases: true }, trials: 1, batch: 2 },
  "rows of whole kibibytes": {
    model: { layers: 1, width: 64, headDim: 16, mlpRatio: 4, context: 20, vocabSize: 256 },
    trials: 1,
    batch: 2,
  },
  "a context beyond a block of queries": { model: { layers: 1, context: 150, width: 24, headDim: 12 }, trials: 1, batch: 2 },
  "a vocabulary above the one-hot limit": { model: { layers: 1, vocabSize: 700 }, trials: 2, batch: 2 },
};

/** What promises about stacks, calls and threads are kept for: GPT-2's block, and all that has come after it at once. */
const trainings: readonly (readonly [string, Pick<Shape, "model" | "optimizer">])[] = [
  ["AdamW", { model: { biases: true } }],
  [
    "Muon with clipping on a qwen3-like block",
    {
      model: { norm: "rms_norm", ropeTheta: 1e4, mlp: "swiglu", queriesPerKv: 2, qkNorm: true, tiedEmbeddings: true, width: 16 },
      optimizer: { muonMomentum: 0.95, clip: 0.5, zLoss: 0.01 },
    },
  ],
];

/** Updates whose losses the reference has too. */
const updates: readonly (readonly [string, Partial<ModelConfig>, Partial<OptimizerConfig>])[] = [
  ["AdamW, gradients clipped to nearly nothing", { tiedEmbeddings: true }, { clip: 1e-3 }],
  ["AdamW, gradients below the limit", { qkNorm: true }, { clip: 1e4 }],
  ["Muon of square, wide and tall matrices", { queriesPerKv: 3, mlp: "swiglu", mlpRatio: 1.5 }, { muonMomentum: 0.95 }],
  ["Muon of single rows and columns", { width: 3, headDim: 1, queriesPerKv: 3, mlpRatio: 1 / 3 }, { muonMomentum: 0.9, clip: 0.1 }],
  ["Muon beyond a line, clipped", { width: 40, headDim: 20, mlpRatio: 1, norm: "rms_norm" }, { muonMomentum: 0.95, clip: 0.5 }],
];

/** Loads `state` into the executable and trains; several trainings may share an executable, which takes long to make on some engines. */
async function trained(executable: Executable, state: State, batches: Batches): Promise<{ losses: Float32Array; state: State }> {
  executable.load(state);
  const losses = await executable.train({ ...batches, factors: new Float32Array(batches.count).fill(1) });
  return { losses, state: await executable.read() };
}

interface Traits {
  /** Whether a call may use several threads of this process, so that their number must not matter. */
  readonly threaded: boolean;
  /** Why the suite cannot run here, if it cannot; CI allows no such reason. */
  readonly missing?: string | undefined;
}

export function engineConformance(name: string, open: () => Promise<Engine>, { threaded, missing }: Traits): void {
  describe.skipIf(missing !== undefined)(`${name} conforms${missing === undefined ? "" : ` (skipped: ${missing})`}`, () => {
    let engine: Engine;
    const made: Executable[] = [];
    const compile = async (program: Program, threads = 1): Promise<Executable> => {
      const executable = await engine.compile(program, { threads, precision: "float32" });
      made.push(executable);
      return executable;
    };
    beforeAll(async () => {
      engine = await open();
    });
    afterEach(async () => {
      for (const executable of made.splice(0)) await executable.dispose();
    });

    it.each(Object.entries(shapes))("to the reference: %s", async (_, { model, trials, batch, optimizer }) => {
      const { config, scaling, program } = setup(model, trials, batch, false, optimizer);
      const state = shuffled(initialState(config, scaling, lanesOf(trials), program));
      const batches = randomBatches(config, batch, 1);
      const values = startingValues(state);
      const expected = referencePass(program, values, batches.tokens, batches.targets);
      const names = [...expected.keys()].filter((ref) => !values.has(ref));
      const executable = await compile(program);
      executable.load(state);
      const actual = await executable.inspect(batches, names);
      for (const ref of names)
        expect(relativeError(actual.get(ref) as Float32Array, expected.get(ref) as Float64Array), ref).toBeLessThan(tolerances.onePass);
    });

    it.each(trainings)("to the reference whatever else is looked at: %s", async (_, { model, optimizer }) => {
      const { config, scaling, program } = setup(model, 2, 2, false, optimizer);
      const state = shuffled(initialState(config, scaling, lanesOf(2), program));
      const batches = randomBatches(config, 2, 1);
      const values = startingValues(state);
      const expected = referencePass(program, values, batches.tokens, batches.targets);
      const names = [...expected.keys()].filter((ref) => !values.has(ref));
      const executable = await compile(program);
      executable.load(state);
      const activations = names.filter((ref) => !ref.startsWith("grad:"));
      for (const some of [activations, ...[0, 1, 2].map((rest) => names.filter((__, index) => index % 3 === rest))])
        for (const [ref, actual] of await executable.inspect(batches, some))
          expect(relativeError(actual, expected.get(ref) as Float64Array), ref).toBeLessThan(tolerances.onePass);
    });

    it.each(updates)("to the reference's losses: %s", async (_, model, optimizer) => {
      const { config, scaling, program } = setup(model, 3, 2, true, optimizer);
      const state = initialState(config, scaling, lanesOf(3), program);
      const batches = { ...randomBatches(config, 2, 5), factors: Float32Array.of(0.5, 1, 0.75, 0.25, 1) };
      const expected = referenceTraining(program, startingValues(state), batches, batches.factors);
      const executable = await compile(program);
      executable.load(state);
      const actual = await executable.train(batches);
      expected.forEach((loss, index) => expect(Math.abs(actual[index] - loss), `loss ${index}`).toBeLessThan(tolerances.tenSteps));
    });

    it.each(Object.entries(goldens))("to PyTorch: %s", async (_, { config: c, hyperparameters, logits, gradients, losses }) => {
      const config: ModelConfig = {
        layers: c.layers,
        width: c.width,
        headDim: c.head_dim,
        context: c.context,
        mlpRatio: c.mlp_ratio,
        vocabSize: c.vocab,
        biases: c.biases,
        zeroInit: [],
        ...(c.norm && { norm: c.norm }),
        ...(c.rope_theta && { ropeTheta: c.rope_theta }),
        ...(c.mlp && { mlp: c.mlp }),
        ...(c.queries_per_kv && { queriesPerKv: c.queries_per_kv }),
        ...(c.qk_norm && { qkNorm: true }),
        ...(c.tied && { tiedEmbeddings: true }),
        ...(depthTable[c.parametrization] && { scaledResiduals: true }),
      };
      const muon = c.optimizer === "muon";
      const depthRules = depthTable[c.parametrization];
      const scaling: Scaling = {
        rules: rulesOf(c.parametrization, { ...config, muon }),
        ...(muon && { muon }),
        width: c.width,
        baseWidth: c.base,
        headDim: c.head_dim,
        epsilon: c.epsilon,
        ...(depthRules && { depth: { rules: depthRules, layers: c.layers, baseLayers: c.base_layers ?? c.layers } }),
      };
      const program = trainingStep(config, {
        ...{ trials: 1, batch: c.batch, beta1: c.beta1, beta2: c.beta2, weightDecay: true },
        ...(c.momentum && { muonMomentum: c.momentum }),
        ...(c.clip && { clip: c.clip }),
        ...(c.z_loss && { zLoss: c.z_loss }),
      });
      const lane = { seed: 1, hyperparameters: { ...hyperparameters, weight_decay: c.weight_decay } };
      const executable = await compile(program);
      executable.load(goldenState(initialState(config, scaling, [lane], program), config));

      const names = Object.keys(gradients);
      const inspected = await executable.inspect(goldenBatch(c, 1), [
        "logits",
        ...names.map((parameter) => program.gradients.get(parameter) as Ref),
      ]);
      expect(relativeError(inspected.get("logits") as Float32Array, logits)).toBeLessThan(tolerances.onePass);
      for (const parameter of names)
        expect(
          relativeError(inspected.get(program.gradients.get(parameter) as Ref) as Float32Array, gradients[parameter] ?? []),
          parameter,
        ).toBeLessThan(tolerances.onePass);

      const schedule = { name: "cosine", warmup: c.warmup, final: c.final } as const;
      for (const [index, expected] of losses.entries()) {
        const factors = Float32Array.of(scheduleFactor(schedule, index + 1, c.steps));
        const [loss] = await executable.train({ ...goldenBatch(c, index + 1), factors });
        expect(Math.abs(loss - expected), `step ${index + 1}`).toBeLessThan(tolerances.tenSteps);
      }
    });

    it("starts at a loss of ln V at every width with a zero readout", async () => {
      for (const width of [8, 16, 64]) {
        const { config, scaling, program } = setup({ width, zeroInit: ["readout", "query"] }, 2, 3);
        const { losses } = await trained(
          await compile(program),
          initialState(config, scaling, lanesOf(2), program),
          randomBatches(config, 3, 1),
        );
        for (const loss of losses) expect(Math.abs(loss - Math.log(config.vocabSize))).toBeLessThan(tolerances.uniformLoss);
      }
    });

    it.each(trainings)("trains a trial alone as in any slot of a stack: %s", async (_, { model, optimizer }) => {
      const stacked = setup(model, 4, 3, true, optimizer);
      const alone = setup(model, 1, 3, true, optimizer);
      const lanes = lanesOf(4);
      const batches = randomBatches(stacked.config, 3, 12);
      const together = await trained(
        await compile(stacked.program),
        initialState(stacked.config, stacked.scaling, lanes, stacked.program),
        batches,
      );
      const one = await compile(alone.program);
      for (const [slot, lane] of lanes.entries()) {
        const single = await trained(one, initialState(alone.config, alone.scaling, [lane], alone.program), batches);
        single.losses.forEach((loss, step) =>
          expect(Math.abs(loss - together.losses[step * 4 + slot]), `slot ${slot}, step ${step}`).toBeLessThan(tolerances.stacked),
        );
      }
    });

    it.each(trainings)("leaves the neighbours of a NaN lane bit for bit as they were: %s", async (_, { model, optimizer }) => {
      const { config, scaling, program } = setup(model, 3, 3, false, optimizer);
      const batches = randomBatches(config, 3, 6);
      const clean = initialState(config, scaling, lanesOf(3), program);
      const poisoned: State = {
        ...clean,
        parameters: new Map(
          [...clean.parameters].map(([ref, parts]) => [
            ref,
            { ...parts, weight: parts.weight.map((value, i) => (Math.floor(i / (parts.weight.length / 3)) === 1 ? NaN : value)) },
          ]),
        ),
      };
      const executable = await compile(program);
      const [healthy, sick] = [await trained(executable, clean, batches), await trained(executable, poisoned, batches)];
      sick.losses.forEach((loss, index) => {
        if (index % 3 === 1) expect(loss).toBeNaN();
        else expect(loss).toBe(healthy.losses[index]);
      });
    });

    it.each(trainings)("gives the same bits in one call of K steps as in K calls, its state read and loaded: %s", async (_, work) => {
      const { config, scaling, program } = setup(work.model, 2, 3, true, work.optimizer);
      const batches = randomBatches(config, 3, 8);
      const start = initialState(config, scaling, lanesOf(2), program);
      const executable = await compile(program);
      const whole = await trained(executable, start, batches);
      let state = start;
      const losses: number[] = [];
      const cells = 3 * config.context;
      for (let step = 0; step < batches.count; step++) {
        const slice = (ids: Int32Array): Int32Array => ids.slice(step * cells, (step + 1) * cells);
        const part = await trained(executable, state, { count: 1, tokens: slice(batches.tokens), targets: slice(batches.targets) });
        losses.push(...part.losses);
        ({ state } = part);
      }
      expect(losses).toEqual([...whole.losses]);
      expect(state).toEqual(whole.state);
    });

    it("keeps a state of its own: what becomes of the loaded arrays changes nothing", async () => {
      const { config, scaling, program } = setup({}, 2, 3);
      const state = initialState(config, scaling, lanesOf(2), program);
      const executable = await compile(program);
      executable.load(state);
      const loaded = await executable.read();
      for (const { weight, firstMoment, secondMoment } of state.parameters.values())
        for (const values of [weight, firstMoment, secondMoment]) values.fill(NaN);
      for (const values of state.scalars.values()) values.fill(NaN);
      expect(await executable.read()).toEqual(loaded);
    });

    it("reads those parameters only that are named", async () => {
      const { config, scaling, program } = setup({}, 2, 3);
      const executable = await compile(program);
      executable.load(initialState(config, scaling, lanesOf(2), program));
      const [first, , third] = program.parameters;
      const [whole, part] = [await executable.read(), await executable.read([third, first])];
      expect([...part.parameters]).toEqual([third, first].map((ref) => [ref, whole.parameters.get(ref)]));
      expect({ ...part, parameters: null }).toEqual({ ...whole, parameters: null });
    });

    it.each(trainings)("has the gradients of a few sequences where a batch has each many times: %s", async (_, work) => {
      const model = { ...work.model, context: 64 };
      const [once, often] = ([2, 26] as const).map((batch) => setup(model, 1, batch, true, work.optimizer));
      const few = randomBatches(once.config, 2, 1);
      // First all of the one, then all of the other, so that no part of the batch is like the whole of it.
      const repeated = (ids: Int32Array): Int32Array =>
        Int32Array.from({ length: 13 * ids.length }, (__, i) => ids[Math.floor(i / (13 * 64)) * 64 + (i % 64)]);
      const [expected, actual] = [
        await trained(await compile(once.program), shuffled(initialState(once.config, once.scaling, lanesOf(1), once.program)), few),
        await trained(await compile(often.program), shuffled(initialState(often.config, often.scaling, lanesOf(1), often.program)), {
          count: 1,
          tokens: repeated(few.tokens),
          targets: repeated(few.targets),
        }),
      ];
      expect(Math.abs(expected.losses[0] - actual.losses[0])).toBeLessThan(tolerances.stacked);
      // What updates keep begins at zero: after a step it is the gradient.
      const gradientOf = ({ parameters }: State, ref: Ref): Float32Array => {
        const { firstMoment, momentum } = parameters.get(ref) as Readonly<Record<string, Float32Array | undefined>>;
        return (firstMoment ?? momentum) as Float32Array;
      };
      // Softmax ignores keys' biases: of their gradients there is rounding only, and more of it in a larger batch.
      for (const ref of once.program.parameters.filter((each) => !each.endsWith("key.bias")))
        expect(relativeError(gradientOf(actual.state, ref), gradientOf(expected.state, ref)), ref).toBeLessThan(tolerances.onePass);
    });

    const threadings = trainings.flatMap(([what, work]) => [96, 700].map((vocabSize) => [vocabSize, what, work] as const));
    it.skipIf(!threaded).each(threadings)(
      "gives the same bits with one thread as with two, vocabulary %i: %s",
      async (vocabSize, _, work) => {
        const model = { ...work.model, width: 64, headDim: 16, context: 64, vocabSize };
        const { config, scaling, program } = setup(model, 1, 16, false, work.optimizer);
        const batches = randomBatches(config, 16, 6);
        const start = initialState(config, scaling, lanesOf(1), program);
        const [one, two] = [
          await trained(await compile(program, 1), start, batches),
          await trained(await compile(program, 2), start, batches),
        ];
        expect([...two.losses]).toEqual([...one.losses]);
        expect(two.state).toEqual(one.state);
      },
    );

    it("evaluates the same loss that a training step reports before its update", async () => {
      const { config, scaling, program } = setup({}, 2, 3);
      const batches = randomBatches(config, 3, 1);
      const executable = await compile(program);
      executable.load(initialState(config, scaling, lanesOf(2), program));
      const evaluated = await executable.evaluate(batches);
      expect([...(await executable.train({ ...batches, factors: Float32Array.of(1) }))]).toEqual([...evaluated]);
      expect([...(await executable.evaluate(batches))]).not.toEqual([...evaluated]);
    });
  });
}
