/** Shapes too large for the float64 reference: two engines that share no arithmetic must agree on them. */
import { describe, expect, it } from "vitest";
import { engineHost } from "../../src/cache.ts";
import { engines } from "../../src/engines/registry.ts";
import type { ModelConfig } from "../../src/model/config.ts";
import { trainingStep } from "../../src/model/step.ts";
import { table } from "../../src/parametrization/table.ts";
import { randomStream } from "../../src/rng.ts";
import { initialState } from "../../src/training/initialize.ts";
import { tolerances } from "../tolerances.ts";
import { hasNative } from "../support/native.ts";

const small: ModelConfig = {
  layers: 1,
  width: 32,
  headDim: 16,
  context: 64,
  mlpRatio: 4,
  vocabSize: 96,
  biases: false,
  zeroInit: [],
};
const shapes: Readonly<Record<string, { readonly model: Partial<ModelConfig>; readonly batch: number; readonly threads: number }>> = {
  "a context of 4,096": { model: { context: 4096 }, batch: 1, threads: 1 },
  "heads of 128, a context that is no multiple of anything": { model: { width: 256, headDim: 128, context: 611 }, batch: 1, threads: 2 },
  "heads of 8, biases, a batch in uneven groups of sequences": {
    model: { width: 40, headDim: 8, context: 100, biases: true },
    batch: 12,
    threads: 2,
  },
  "48 layers": { model: { layers: 48 }, batch: 2, threads: 1 },
  "a vocabulary of 50,257": { model: { vocabSize: 50257, biases: true }, batch: 3, threads: 2 },
  "a width of 520 on every core": { model: { width: 520, headDim: 40, layers: 2 }, batch: 4, threads: 2 },
};

describe.skipIf(!hasNative)("native and onnxruntime train alike", () => {
  it.each(Object.entries(shapes))("%s", async (_, { model, batch, threads }) => {
    const config = { ...small, ...model };
    const hyperparameters = {
      ...{ learning_rate: 0.01, init_std: 1, embedding_std: 1, input_multiplier: 1, output_multiplier: 4 },
      ...{ attention_multiplier: 1, weight_decay: 0.1 },
    };
    const program = trainingStep(config, { trials: 1, batch, beta1: 0.9, beta2: 0.95, weightDecay: true });
    const scaling = { rules: table.mup, width: config.width, baseWidth: 16, headDim: config.headDim, epsilon: 1e-8 };
    const state = initialState(config, scaling, [{ seed: 3, hyperparameters }], program);
    const stream = randomStream(4, "large batches");
    const steps = 3;
    const ids = (): Int32Array => Int32Array.from({ length: steps * batch * config.context }, () => stream.integer(config.vocabSize));
    const batches = { count: steps, tokens: ids(), targets: ids(), factors: new Float32Array(steps).fill(1) };
    const [native, onnxruntime] = await Promise.all(
      (["native", "onnxruntime"] as const).map(async (name) => {
        const executable = await (await engines[name].open(engineHost())).compile(program, { threads, precision: "float32" });
        executable.load(state);
        const losses = await executable.train(batches);
        await executable.dispose();
        return losses;
      }),
    );
    native.forEach((loss, step) =>
      expect(Math.abs(loss - (onnxruntime[step] ?? NaN)), `step ${step + 1}`).toBeLessThan(tolerances.tenSteps),
    );
  });
});
