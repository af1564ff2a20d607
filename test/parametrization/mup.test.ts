/**
 * Parity with microsoft/mup (test/golden/make_mup_golden.py): the same model, data and weights at width
 * ratios 1, 2 and 4 get the same scales per tensor, the same logits and the same 20 training losses.
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { engineHost } from "../../src/cache.ts";
import type { Batches } from "../../src/engines/engine.ts";
import { engines } from "../../src/engines/registry.ts";
import type { ModelConfig } from "../../src/model/config.ts";
import { trainingStep } from "../../src/model/step.ts";
import { parametersOf } from "../../src/model/transformer.ts";
import type { Scaling } from "../../src/parametrization/resolve.ts";
import type { CompleteHyperparameters } from "../../src/parametrization/roles.ts";
import { table } from "../../src/parametrization/table.ts";
import { sizeOf } from "../../src/program/program.ts";
import { initialState, scalesOf } from "../../src/training/initialize.ts";
import { tolerances } from "../tolerances.ts";

interface MupGolden {
  readonly config: Readonly<
    Record<"layers" | "head_dim" | "context" | "batch" | "vocab" | "mlp_ratio" | "beta1" | "beta2" | "epsilon" | "steps" | "base", number>
  > & { readonly weight_decay: number };
  readonly hyperparameters: Omit<CompleteHyperparameters, "weight_decay">;
  readonly ratios: Readonly<
    Record<
      string,
      {
        readonly tensors: Readonly<Record<string, Readonly<Record<"std" | "learning_rate" | "weight_decay", number>>>>;
        readonly logits: readonly number[];
        readonly losses: readonly number[];
      }
    >
  >;
}
const golden = JSON.parse(readFileSync(new URL("../golden/mup_golden.json", import.meta.url), "utf8")) as MupGolden;
const { config: c, ratios } = golden;
const hyperparameters: CompleteHyperparameters = { ...golden.hyperparameters, weight_decay: c.weight_decay };

const modelAt = (width: number): ModelConfig => ({
  layers: c.layers,
  width,
  headDim: c.head_dim,
  context: c.context,
  mlpRatio: c.mlp_ratio,
  vocabSize: c.vocab,
  biases: false,
  zeroInit: [],
});
const scalingAt = (width: number): Scaling => ({ rules: table.mup, width, baseWidth: c.base, headDim: c.head_dim, epsilon: c.epsilon });

/** Tokens of one step, by the golden's formula. */
function batchOf(step: number): Batches {
  const id = (i: number): number => (i * i * 3 + i * 5 + 7 * step) % c.vocab;
  const windows = (shift: number): Int32Array =>
    Int32Array.from({ length: c.batch * c.context }, (_, cell) =>
      id(Math.floor(cell / c.context) * (c.context + 1) + (cell % c.context) + shift),
    );
  return { count: 1, tokens: windows(0), targets: windows(1) };
}

const relative = (actual: number, expected: number): number => Math.abs(actual - expected) / Math.max(Math.abs(expected), 1e-300);

describe.each(Object.entries(ratios))("microsoft/mup at width ratio %s", (ratio, { tensors, logits, losses }) => {
  const width = Number(ratio) * c.base;
  const [model, scaling] = [modelAt(width), scalingAt(width)];

  it("has the same std, learning rate and weight decay for every tensor", () => {
    const parameters = parametersOf(model);
    expect(parameters.map(({ name }) => name).sort()).toEqual(Object.keys(tensors).sort());
    for (const parameter of parameters) {
      const scales = scalesOf(parameter, hyperparameters, scaling);
      const expected = tensors[parameter.name];
      const pairs = [
        [scales.initStd, expected.std],
        [scales.learningRate, expected.learning_rate],
        [scales.weightDecay, expected.weight_decay],
      ] as const;
      for (const [ours, theirs] of pairs)
        expect(relative(ours, theirs), `${parameter.name}: ${ours}, ${theirs}`).toBeLessThan(tolerances.literal);
    }
  });

  it("has the same logits and the same 20 losses", async () => {
    const engine = await engines.onnxruntime.open(engineHost());
    const program = trainingStep(model, { trials: 1, batch: c.batch, beta1: c.beta1, beta2: c.beta2, weightDecay: true });
    const executable = await engine.compile(program, { threads: 1, precision: "float32" });
    const start = initialState(model, scaling, [{ seed: 1, hyperparameters }], program);
    const names = Object.keys(tensors);
    const weights = parametersOf(model).map((parameter) => {
      const { initStd } = scalesOf(parameter, hyperparameters, scaling);
      const index = names.indexOf(parameter.name);
      const weight = Float32Array.from({ length: sizeOf(parameter.shape) }, (_, i) =>
        parameter.role === "norm" ? 1 : initStd * Math.SQRT2 * Math.sin(0.37 * (index + 1) + 1.3 * i + 0.0021 * i * i),
      );
      return [
        parameter.name,
        { weight, firstMoment: new Float32Array(weight.length), secondMoment: new Float32Array(weight.length) },
      ] as const;
    });
    executable.load({ ...start, parameters: new Map(weights) });

    const inspected = (await executable.inspect(batchOf(1), ["logits"])).get("logits") as Float32Array;
    const largest = Math.max(...logits.map(Math.abs));
    expect(inspected).toHaveLength(logits.length);
    inspected.forEach((value, index) =>
      expect(Math.abs(value - logits[index]) / largest, `logit ${index}`).toBeLessThan(tolerances.onePass),
    );

    for (const [index, expected] of losses.entries()) {
      const [loss] = await executable.train({ ...batchOf(index + 1), factors: Float32Array.of(1) });
      expect(Math.abs(loss - expected), `step ${index + 1}`).toBeLessThan(tolerances.twentySteps);
    }
    await executable.dispose();
  });
});
