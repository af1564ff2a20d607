/** TensorFlow.js in plain JavaScript, always; and with libtensorflow, op by op and as a graph, where it is installed. */
import { describe, expect, it } from "vitest";
import { engineHost } from "../../src/cache.ts";
import { openTfjs } from "../../src/engines/tfjs/engine.ts";
import { installedPackages, loadTfjs, tensorflowEnvironment } from "../../src/engines/tfjs/load.ts";
import { trainingStep } from "../../src/model/step.ts";
import { table } from "../../src/parametrization/table.ts";
import { initialState } from "../../src/training/initialize.ts";
import { engineConformance } from "./suite.ts";

const host = engineHost();
engineConformance("tfjs in plain JavaScript", () => openTfjs(host, { package: "@tensorflow/tfjs-backend-cpu" }), { threaded: false });

const addon = installedPackages().find(({ name }) => name !== "@tensorflow/tfjs-backend-cpu")?.name;
const missing = addon === undefined ? "neither @tensorflow/tfjs-node-gpu nor tfjs-node is installed" : undefined;
Object.assign(process.env, tensorflowEnvironment);
engineConformance("tfjs with libtensorflow, as a graph", () => openTfjs(host), { threaded: false, missing });
engineConformance("tfjs with libtensorflow, op by op", () => openTfjs(host, { mode: "eager" }), { threaded: false, missing });

describe.each(missing === undefined ? (["@tensorflow/tfjs-backend-cpu", addon] as const) : (["@tensorflow/tfjs-backend-cpu"] as const))(
  "tfjs with %s, op by op",
  (name) => {
    it("has as many tensors after step 1,000 as after step 10, and none when it is disposed of", { timeout: 120_000 }, async () => {
      const { tf } = await loadTfjs(name);
      const before = tf.memory().numTensors;
      const config = { layers: 1, width: 4, headDim: 2, context: 2, mlpRatio: 1, vocabSize: 5, biases: true, zeroInit: [] } as const;
      const program = trainingStep(config, { trials: 2, batch: 1, beta1: 0.9, beta2: 0.95, weightDecay: true });
      const hyperparameters = {
        ...{ learning_rate: 0.01, init_std: 1, embedding_std: 1, input_multiplier: 1 },
        ...{ output_multiplier: 4, attention_multiplier: 1, weight_decay: 0.1 },
      };
      const scaling = { rules: table.mup, width: 4, baseWidth: 4, headDim: 2, epsilon: 1e-8 };
      const lanes = [0, 1].map((seed) => ({ seed, hyperparameters }));
      const executable = await (
        await openTfjs(host, { package: name as "@tensorflow/tfjs-node", mode: "eager" })
      ).compile(program, {
        threads: 1,
        precision: "float32",
      });
      executable.load(initialState(config, scaling, lanes, program));
      const run = async (steps: number): Promise<number> => {
        const ids = new Int32Array(2 * steps).map((_, i) => i % 5);
        await executable.train({ count: steps, tokens: ids, targets: ids, factors: new Float32Array(steps).fill(1) });
        await executable.evaluate({ count: 1, tokens: ids.slice(0, 2), targets: ids.slice(0, 2) });
        await executable.inspect({ count: 1, tokens: ids.slice(0, 2), targets: ids.slice(0, 2) }, ["logits", program.loss]);
        await executable.read();
        return tf.memory().numTensors;
      };
      const early = await run(10);
      expect(await run(990)).toBe(early);
      await executable.dispose();
      expect(tf.memory().numTensors).toBe(before);
    });
  },
);

describe("tfjs where it is not installed", () => {
  it.skipIf(missing === undefined)("says what to install", async () => {
    await expect(openTfjs(host, { package: "@tensorflow/tfjs-node-gpu" })).rejects.toThrow(/npm install @tensorflow\/tfjs-node-gpu/);
  });
});
