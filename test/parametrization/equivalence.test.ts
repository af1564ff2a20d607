/**
 * Tables 3, 8 and 9 of Tensor Programs V are one parametrization in three forms:
 * with Adam, ε → 0 and no decay they train the same function. Checked on the engine.
 */
import { expect, it } from "vitest";
import { engineHost } from "../../src/cache.ts";
import { engines } from "../../src/engines/registry.ts";
import type { ModelConfig } from "../../src/model/config.ts";
import { trainingStep } from "../../src/model/step.ts";
import { table, type Rules } from "../../src/parametrization/table.ts";
import { randomStream } from "../../src/rng.ts";
import { initialState } from "../../src/training/initialize.ts";
import { tolerances } from "../tolerances.ts";

const { mup } = table;
/** Rescaling lemma (TP-V J.1): for Adam (multiplier, std, rate) and (A·θ, B/θ, C/θ) are the same; here θ = m^power. */
const rescaled = (rules: Rules, powers: Partial<Record<keyof Rules, number>>): Rules =>
  Object.fromEntries(
    Object.entries(rules).map(([role, exponents]) => {
      const power = powers[role as keyof Rules] ?? 0;
      return [
        role,
        {
          ...exponents,
          multiplier: exponents.multiplier + power,
          initStd: exponents.initStd - power,
          learningRate: exponents.learningRate - power,
        },
      ];
    }),
  ) as unknown as Rules;

const forms = {
  "table 3": rescaled(mup, { readout: 1 }),
  "table 8": mup,
  "table 9": rescaled(mup, { embedding: 0.5, readout: 0.5 }),
} as const;

it("tables 3, 8 and 9 give the same Adam losses", async () => {
  const config: ModelConfig = { layers: 2, width: 32, headDim: 8, context: 8, mlpRatio: 4, vocabSize: 13, biases: false, zeroInit: [] };
  const program = trainingStep(config, { trials: 1, batch: 4, beta1: 0.9, beta2: 0.95, weightDecay: false });
  const stream = randomStream(2, "equivalence");
  const steps = 10;
  const ids = (): Int32Array => Int32Array.from({ length: steps * 4 * 8 }, () => stream.integer(13));
  const batches = { count: steps, tokens: ids(), targets: ids(), factors: new Float32Array(steps).fill(1) };
  const hyperparameters = {
    learning_rate: 0.01,
    init_std: 1,
    embedding_std: 0.7,
    input_multiplier: 1.3,
    output_multiplier: 4,
    attention_multiplier: 1,
    weight_decay: 0,
  };
  const engine = await engines.onnxruntime.open(engineHost());
  const losses = await Promise.all(
    Object.values(forms).map(async (rules) => {
      const executable = await engine.compile(program, { threads: 1, precision: "float32" });
      executable.load(
        initialState(config, { rules, width: 32, baseWidth: 8, headDim: 8, epsilon: 1e-20 }, [{ seed: 1, hyperparameters }], program),
      );
      const result = await executable.train(batches);
      await executable.dispose();
      return [...result];
    }),
  );
  const [three, eight, nine] = losses as [number[], number[], number[]];
  expect(new Set(eight.map((loss) => loss.toFixed(3))).size).toBeGreaterThan(5);
  for (let step = 0; step < steps; step++) {
    expect(Math.abs((three[step] ?? NaN) - (eight[step] ?? NaN)), `table 3, step ${step}`).toBeLessThan(tolerances.tenSteps);
    expect(Math.abs((nine[step] ?? NaN) - (eight[step] ?? NaN)), `table 9, step ${step}`).toBeLessThan(tolerances.tenSteps);
  }
});
