/** `precision: mixed` on the engines that have it: as good as rounded operands allow, and on the CPU as reproducible as float32. */
import { beforeAll, describe, expect, it } from "vitest";
import { engineHost } from "../../src/cache.ts";
import type { Engine, Precision, State } from "../../src/engines/engine.ts";
import { engines } from "../../src/engines/registry.ts";
import type { ModelConfig } from "../../src/model/config.ts";
import { trainingStep, type OptimizerConfig } from "../../src/model/step.ts";
import { rulesOf } from "../../src/parametrization/table.ts";
import type { Program } from "../../src/program/program.ts";
import type { Ref } from "../../src/program/ops.ts";
import { randomStream } from "../../src/rng.ts";
import { initialState } from "../../src/training/initialize.ts";
import { tolerances } from "../tolerances.ts";
import { emulatedCuda, missing } from "../support/cuda.ts";
import { cpuEngine } from "../support/native.ts";

const onCpu: Engine = await engines[cpuEngine].open(engineHost());

const small: ModelConfig = {
  layers: 2,
  width: 48,
  headDim: 16,
  context: 33,
  mlpRatio: 4,
  vocabSize: 96,
  biases: true,
  zeroInit: [],
};
interface Work {
  readonly model: Partial<ModelConfig>;
  readonly batch: number;
  readonly optimizer?: Partial<OptimizerConfig>;
}
const shapes: Readonly<Record<string, Work>> = {
  "sizes that are no multiple of anything": { model: { width: 35, headDim: 7, context: 13, mlpRatio: 3, vocabSize: 77 }, batch: 3 },
  "one token, one head, one word": { model: { width: 5, headDim: 5, context: 1, vocabSize: 1 }, batch: 1 },
  "a batch in groups": { model: {}, batch: 37 },
  "a depth beyond a panel": { model: { layers: 1, width: 160, headDim: 32, mlpRatio: 4 }, batch: 2 },
  "gates, shared keys and norms of heads under Muon with clipping": {
    model: { norm: "rms_norm", ropeTheta: 1e4, mlp: "swiglu", queriesPerKv: 3, qkNorm: true, tiedEmbeddings: true, layers: 1 },
    ...{ batch: 16, optimizer: { muonMomentum: 0.95, clip: 0.5, zLoss: 0.01 } },
  },
};

interface Setup {
  readonly program: Program;
  readonly state: State;
  readonly batches: { readonly count: number; readonly tokens: Int32Array; readonly targets: Int32Array; readonly factors: Float32Array };
}
function setup({ model, batch, optimizer = {} }: Work): Setup {
  const config = { ...small, ...model };
  const muon = optimizer.muonMomentum !== undefined;
  const hyperparameters = {
    ...{ learning_rate: 0.003, init_std: 1, embedding_std: 1, input_multiplier: 1, output_multiplier: 4 },
    ...{ attention_multiplier: 1, weight_decay: 0.1 },
  };
  const program = trainingStep(config, { trials: 1, batch, beta1: 0.9, beta2: 0.95, weightDecay: true, ...optimizer });
  const rules = rulesOf("mup", { ...config, muon });
  const scaling = { rules, ...(muon && { muon }), width: config.width, baseWidth: config.width, headDim: config.headDim, epsilon: 1e-8 };
  const stream = randomStream(4, "mixed batches");
  const count = 10;
  const ids = (): Int32Array => Int32Array.from({ length: count * batch * config.context }, () => stream.integer(config.vocabSize));
  return {
    program,
    state: initialState(config, scaling, [{ seed: 3, hyperparameters }], program),
    batches: { count, tokens: ids(), targets: ids(), factors: new Float32Array(count).fill(1) },
  };
}
async function losses(
  engine: Engine | undefined,
  { program, state, batches }: Setup,
  precision: Precision,
  threads = 1,
): Promise<Float32Array> {
  const executable = await (engine as Engine).compile(program, { threads, precision });
  executable.load(state);
  const result = await executable.train(batches);
  await executable.dispose();
  return result;
}
async function gradients(
  engine: Engine | undefined,
  { program, state, batches }: Setup,
  precision: Precision,
): Promise<ReadonlyMap<Ref, Float32Array>> {
  const executable = await (engine as Engine).compile(program, { threads: 1, precision });
  executable.load(state);
  const cells = batches.tokens.length / batches.count;
  const batch = { count: 1, tokens: batches.tokens.slice(0, cells), targets: batches.targets.slice(0, cells) };
  const result = await executable.inspect(batch, [...program.gradients.values()]);
  await executable.dispose();
  return result;
}

const normOf = (values: Float32Array): number => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));

function mixedPrecision(name: string, engine: Engine | undefined): void {
  describe.skipIf(engine === undefined)(`mixed precision on ${name}`, () => {
    it.each(Object.entries(shapes))("trains like float32, but not the same: %s", async (_, given) => {
      const work = setup(given);
      const [exact, rounded] = [await losses(engine, work, "float32"), await losses(engine, work, "mixed")];
      exact.forEach((loss, step) => expect(Math.abs(loss - rounded[step]), `step ${step + 1}`).toBeLessThan(tolerances.mixedTenSteps));
      if (given.model.vocabSize !== 1) expect(rounded).not.toEqual(exact);
    });

    it.each(Object.entries(shapes))("has every gradient to the precision of its operands: %s", async (_, given) => {
      const work = setup(given);
      const [exact, rounded] = [await gradients(engine, work, "float32"), await gradients(engine, work, "mixed")];
      for (const [ref, values] of exact) {
        // A key bias's gradient is exactly zero, a sum of terms as large as a query bias's; cuda rounds them, native does not.
        const terms = engine === onCpu ? ref : ref.replace(/key\.bias$/, "query.bias");
        const norm = normOf(exact.get(terms) ?? values);
        const difference = normOf(values.map((value, i) => value - (rounded.get(ref) as Float32Array)[i]));
        expect(difference / Math.max(norm, tolerances.smallestScale), ref).toBeLessThan(tolerances.mixedPass);
      }
    });

    it.skipIf(engine !== onCpu)("gives the same bits on one thread and on three", async () => {
      for (const { model, optimizer } of [
        { model: {}, optimizer: {} },
        shapes["gates, shared keys and norms of heads under Muon with clipping"],
      ]) {
        const work = setup({ model: { ...model, width: 192, headDim: 32 }, batch: 20, ...(optimizer && { optimizer }) });
        expect(await losses(engine, work, "mixed", 3)).toEqual(await losses(engine, work, "mixed", 1));
      }
    });
  });
}

const emulated = missing === undefined ? await emulatedCuda() : undefined;
const tested: readonly (readonly [string, Engine | undefined])[] = [
  [`${onCpu.name} (needs AVX512_BF16)`, onCpu.device.mixedProducts === undefined ? undefined : onCpu],
  [`cuda on the stand-in${missing === undefined ? "" : ` (skipped: ${missing})`}`, emulated],
];
for (const [name, engine] of tested) mixedPrecision(name, engine);

describe("precision mixed on an engine without it", () => {
  let plain: Engine;
  beforeAll(async () => {
    plain = await engines.onnxruntime.open(engineHost());
  });
  it("is float32, and the engine says so", () => expect(plain.device.mixedProducts).toBeUndefined());
});
