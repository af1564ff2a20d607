/**
 * The cuda engine on the stand-in for NVIDIA's driver: the very kernels that are
 * shipped, in another compiler's hands. Shapes here are those that take paths of their own.
 */
import koffi from "koffi";
import { describe, expect, it } from "vitest";
import { footprintOf } from "../../src/engines/cuda/engine.ts";
import { modes } from "../../src/engines/cuda/kernels.ts";
import { emulatedCuda, library, missing } from "../support/cuda.ts";
import { expectSameBits, expectSameTraining, programOf, trained, type Work } from "../support/cuda-work.ts";
import { engineConformance } from "./suite.ts";

engineConformance("cuda on the stand-in", emulatedCuda, { threaded: false, missing });

const shapes: Readonly<Record<string, Work>> = {
  "heads of 130": { model: { width: 260, headDim: 130, context: 10 }, batch: 1 },
  "heads of 96": { model: { width: 96, headDim: 96, context: 40 }, batch: 1 },
  "a vocabulary that takes a block a row": { model: { vocabSize: 1500 }, batch: 2 },
  "logits in blocks of rows, for few lanes at a time": {
    ...{ model: { vocabSize: 100, context: 50 }, batch: 4, trials: 5 },
    limits: { logitFloats: 2 * 64 * 128 },
  },
  "a batch in uneven groups of sequences": { model: {}, batch: 5, trials: 2, limits: { sequenceGroupFloats: 2 * 20 * 400 } },
  "products in parts": { model: { context: 140, layers: 2 }, batch: 8 },
  "six layers": { model: { layers: 6 }, batch: 2 },
  "an epsilon that matters": { batch: 2, steps: 4, epsilon: 0.02 },
  "heads of 24 that share keys": { model: { width: 96, headDim: 24, queriesPerKv: 2, context: 70 }, batch: 1 },
  "heads of 40 that share keys": { model: { width: 120, headDim: 40, queriesPerKv: 3 }, batch: 2 },
  "heads of 66 that share keys": { model: { width: 132, headDim: 66, queriesPerKv: 2, context: 70 }, batch: 1 },
  "heads of 130 that share keys": { model: { width: 260, headDim: 130, queriesPerKv: 2, context: 35 }, batch: 1 },
  "gates, rotary positions and norms of heads in groups of sequences": {
    model: {
      norm: "rms_norm",
      ropeTheta: 100,
      mlp: "swiglu",
      queriesPerKv: 2,
      qkNorm: true,
      tiedEmbeddings: true,
      width: 140,
      headDim: 70,
    },
    ...{ batch: 3, trials: 2, optimizer: { clip: 0.5, zLoss: 0.1 }, limits: { sequenceGroupFloats: 20 * 2000 } },
  },
  "Muon and gradients that are clipped": {
    ...{ model: { layers: 2, mlpRatio: 4 }, batch: 4, trials: 2, steps: 8, optimizer: { muonMomentum: 0.95, clip: 0.5 } },
  },
  "Muon of matrices beyond a tile, in parts": {
    ...{ model: { width: 70, headDim: 35, mlpRatio: 16, biases: false }, batch: 8, steps: 3, optimizer: { muonMomentum: 0.9 } },
  },
  "products of three terms": { model: { width: 35, headDim: 7 }, batch: 2, products: "tf32x3" },
};

describe.skipIf(missing !== undefined)("cuda on the stand-in trains as the CPU does", () => {
  it.each(Object.entries(shapes))("%s", async (_, work) => expectSameTraining(work));
});

describe.skipIf(missing !== undefined)("a trial's bits on the stand-in", () => {
  const work: Work = { model: { width: 128, headDim: 32, context: 32, vocabSize: 130 }, batch: 4, steps: 2 };
  it.each(modes)("are those of any stack, tile, call and share of lanes, products in %s", async (products) =>
    expectSameBits({ ...work, products }),
  );
  it("are those of any with heads that share keys, Muon and gradients that are clipped", async () =>
    expectSameBits({
      ...{ model: { ...work.model, norm: "rms_norm", ropeTheta: 100, mlp: "swiglu", queriesPerKv: 2, qkNorm: true }, batch: 4, steps: 2 },
      optimizer: { muonMomentum: 0.95, clip: 0.5, zLoss: 0.01 },
    }));
});

describe.skipIf(missing !== undefined)("a GPU's memory", () => {
  const work: Work = { batch: 4, trials: 3 };
  it("is what was foreseen, and free again when a program is disposed of", async () => {
    const engine = await emulatedCuda();
    const info = koffi.load(library as string).func("int cuMemGetInfo_v2(_Out_ size_t *, _Out_ size_t *)") as (
      ...out: readonly [number[], number[]]
    ) => number;
    const unused = (): number => {
      const [free, total] = [[0], [0]];
      expect(info(free, total)).toBe(0);
      return free[0];
    };
    const program = programOf(work);
    const before = unused();
    const executable = await engine.compile(program, { threads: 1, precision: "float32" });
    const ids = new Int32Array(work.batch * program.dims.context);
    await executable.evaluate({ count: 1, tokens: ids, targets: ids });
    await executable.train({ count: 1, tokens: ids, targets: ids, factors: Float32Array.of(1) });
    expect(before - unused()).toBe(footprintOf(program).bytes);
    await executable.inspect({ count: 1, tokens: ids, targets: ids }, ["logits"]);
    await executable.dispose();
    expect(unused()).toBe(before);
  });
});

describe.skipIf(missing !== undefined)("attention on tensor cores, on the stand-in", () => {
  const heads: readonly (readonly [headDim: number, width: number, context: number, queriesPerKv: number])[] = [
    ...([
      [5, 35, 13, 1],
      [12, 48, 66, 1],
      [16, 32, 150, 1],
      [24, 48, 33, 1],
    ] as const),
    ...([
      [32, 64, 70, 1],
      [64, 64, 40, 1],
      [96, 96, 35, 1],
      [128, 128, 65, 1],
    ] as const),
    ...([
      [16, 48, 150, 3],
      [32, 64, 70, 2],
      [64, 128, 40, 2],
      [96, 192, 35, 2],
    ] as const),
  ];
  it.each(heads)(
    "trains as the CPU does in float32, heads of %i of a width of %i, %i tokens, %i that share a key",
    async (headDim, width, context, queriesPerKv) =>
      expectSameTraining({ model: { headDim, width, context, queriesPerKv }, batch: 2, steps: 10, precision: "mixed" }),
  );

  it("leaves queries and keys alone where there is one key to see", async () => {
    const work: Work = { model: { context: 1, width: 256, headDim: 128 }, batch: 3, steps: 1, precision: "mixed" };
    const { state } = await trained(await emulatedCuda(), work);
    const found = [...state.parameters].filter(([parameter]) => /query|key/.test(parameter));
    expect(found.length).toBeGreaterThan(0);
    for (const [parameter, { firstMoment: gradient }] of found)
      expect(
        gradient.filter((value) => value !== 0),
        parameter,
      ).toEqual(new Float32Array());
  });
});
