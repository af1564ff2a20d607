/** Memory estimates against what a backend that counts every byte really holds at its fullest moment. */
import { describe, expect, it } from "vitest";
import { engineHost } from "../../src/cache.ts";
import { engines } from "../../src/engines/registry.ts";
import { loadTfjs } from "../../src/engines/tfjs/load.ts";
import { openTfjs } from "../../src/engines/tfjs/engine.ts";
import type { ModelConfig } from "../../src/model/config.ts";
import { trainingStep, type OptimizerConfig } from "../../src/model/step.ts";
import { rulesOf } from "../../src/parametrization/table.ts";
import { leastBytes, type Program } from "../../src/program/program.ts";
import { initialState } from "../../src/training/initialize.ts";

const config: ModelConfig = { layers: 2, width: 32, headDim: 16, context: 24, mlpRatio: 4, vocabSize: 96, biases: false, zeroInit: [] };
const step = { batch: 4, beta1: 0.9, beta2: 0.95, weightDecay: false };
const programOf = (trials: number, model: Partial<ModelConfig> = {}, optimizer: Partial<OptimizerConfig> = {}): Program =>
  trainingStep({ ...config, ...model }, { ...step, ...optimizer, trials });
const modern = { norm: "rms_norm", ropeTheta: 1e4, mlp: "swiglu", queriesPerKv: 2, qkNorm: true, tiedEmbeddings: true } as const;

describe.each(["onnxruntime", "native"] as const)("the footprint on %s", (name) => {
  const { footprint } = engines[name];
  it("grows with the stack, and holds at least the state", async () => {
    const [one, eight] = [await footprint(programOf(1), 1), await footprint(programOf(8), 1)];
    const weights = 2 * 12 * 32 * 32 + 2 * 96 * 32;
    expect(one.bytes).toBeGreaterThan(3 * 4 * weights);
    expect(eight.bytes).toBeGreaterThan(one.bytes + 7 * 3 * 4 * weights);
    expect(eight.bytes).toBeLessThan(8.5 * one.bytes);
  });
});

describe("what no engine can do without", () => {
  const large = { width: 16, headDim: 16, layers: 1, context: 1024, vocabSize: 50_257 };
  it.each<[string, Program]>([
    ["a small model", programOf(1)],
    ["a stack", programOf(8)],
    ["logits that would fill the memory", trainingStep({ ...config, ...large }, { ...step, trials: 1, batch: 128 })],
  ])("is no more than native and onnxruntime hold: %s", async (_, program) => {
    for (const { footprint } of [engines.native, engines.onnxruntime])
      expect(leastBytes(program)).toBeLessThanOrEqual((await footprint(program, 1)).bytes);
  });
});

describe("the footprint as small ops", () => {
  it("names the largest tensor: logits of a large vocabulary, scores of a long context", async () => {
    const { footprint } = engines.onnxruntime;
    expect((await footprint(programOf(3, { vocabSize: 5000 }), 1)).largestTensorBytes).toBe(4 * 3 * 4 * 24 * 5000);
    expect((await footprint(programOf(3, { context: 300 }), 1)).largestTensorBytes).toBe(4 * 3 * 4 * 2 * 300 * 300);
  });

  it.each<[string, Partial<ModelConfig>, Partial<OptimizerConfig>]>([
    ["AdamW", {}, {}],
    ["a qwen3-like block under Muon with clipping", modern, { muonMomentum: 0.95, clip: 1, zLoss: 0.01 }],
    ["Muon where little else takes memory", { width: 128, context: 4, vocabSize: 9 }, { muonMomentum: 0.95 }],
  ])("is no less than what TensorFlow.js holds at its fullest, and no more than four times as much: %s", async (_, model, optimizer) => {
    const program = programOf(2, model, optimizer);
    const all = { ...config, ...model };
    const { tf } = await loadTfjs("@tensorflow/tfjs-backend-cpu");
    const executable = await (
      await openTfjs(engineHost(), { package: "@tensorflow/tfjs-backend-cpu" })
    ).compile(program, {
      threads: 1,
      precision: "float32",
    });
    const hyperparameters = {
      ...{ learning_rate: 0.01, init_std: 1, embedding_std: 1, input_multiplier: 1 },
      ...{ output_multiplier: 4, attention_multiplier: 1, weight_decay: 0 },
    };
    const scaling = { rules: rulesOf("mup", all), width: all.width, baseWidth: all.width, headDim: 16, epsilon: 1e-8 };
    const before = tf.memory().numBytes;
    executable.load(
      initialState(
        all,
        scaling,
        [0, 1].map((seed) => ({ seed, hyperparameters })),
        program,
      ),
    );
    const ids = new Int32Array(4 * all.context).map((_, i) => i % all.vocabSize);
    const engine = tf.engine();
    const endScope = engine.endScope.bind(engine);
    let peak = 0;
    engine.endScope = (result) => {
      peak = Math.max(peak, tf.memory().numBytes - before);
      endScope(result);
    };
    await executable.train({ count: 1, tokens: ids, targets: ids, factors: Float32Array.of(1) });
    engine.endScope = endScope;
    await executable.dispose();
    const { bytes } = await engines.tfjs.footprint(program, 1);
    expect(bytes).toBeGreaterThan(peak);
    expect(bytes).toBeLessThan(4 * peak);
  });
});
