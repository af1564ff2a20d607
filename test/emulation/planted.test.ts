/**
 * Faults of a line each, planted in the kernels: the checks of test/conformance/cuda.test.ts,
 * on the smallest work that shows it, find every one, and find none where there is none.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { packageRoot } from "../../src/engines/sources.ts";
import { missing } from "../support/cuda.ts";
import { expectSameBits, expectSameTraining, type Work } from "../support/cuda-work.ts";
import { standIn } from "../support/stand-in.ts";

/** Checks by name: each compares with the CPU, or the first trial with itself in stacks. */
const checks = {
  "small trials": [expectSameTraining, { batch: 2 }],
  "a width that is no multiple of four": [expectSameTraining, { model: { width: 35, headDim: 7 }, batch: 2 }],
  "a context of several tiles": [expectSameTraining, { model: { context: 140 }, batch: 1 }],
  "products in parts": [expectSameTraining, { model: { context: 140 }, batch: 8 }],
  "groups of sequences": [expectSameTraining, { batch: 3, limits: { sequenceGroupFloats: 20 * 400 } }],
  "logits in blocks of rows": [expectSameTraining, { batch: 4, trials: 2, limits: { logitFloats: 64 * 64 } }],
  "a stack with little room for logits": [expectSameTraining, { batch: 2, trials: 3 }],
  "an epsilon that matters": [expectSameTraining, { batch: 2, steps: 4, epsilon: 0.02 }],
  "products of three terms": [expectSameTraining, { batch: 2, products: "tf32x3" }],
  "gates, rotary positions, norms of heads that share a key, one table": [
    expectSameTraining,
    {
      model: { norm: "rms_norm", ropeTheta: 100, mlp: "swiglu", queriesPerKv: 3, qkNorm: true, tiedEmbeddings: true },
      ...{ batch: 2, steps: 4, optimizer: { clip: 0.5, zLoss: 0.1 } },
    },
  ],
  "large heads that share keys": [expectSameTraining, { model: { width: 260, headDim: 130, queriesPerKv: 2 }, batch: 1 }],
  "squared ReLU": [expectSameTraining, { model: { mlp: "relu2" }, batch: 2 }],
  Muon: [expectSameTraining, { model: { mlpRatio: 4 }, batch: 4, steps: 4, optimizer: { muonMomentum: 0.95, clip: 0.5 } }],
  "Muon of matrices beyond a tile": [
    expectSameTraining,
    { model: { width: 70, headDim: 35, biases: false }, batch: 8, steps: 3, optimizer: { muonMomentum: 0.9 } },
  ],
  "mixed precision": [expectSameTraining, { batch: 2, precision: "mixed" }],
  "mixed precision, a context of several tiles": [expectSameTraining, { model: { context: 140 }, batch: 1, precision: "mixed" }],
  "bits in any stack": [expectSameBits, { model: { width: 128, headDim: 32, context: 32 }, batch: 4, steps: 2 }],
} as const satisfies Readonly<Record<string, readonly [(work: Work) => Promise<void>, Work]>>;

interface Fault {
  readonly what: string;
  /** Kernels that have the fault; others are as they were. */
  readonly kernels: readonly string[];
  readonly file: string;
  /** What the fault replaces; it stands in the file once. */
  readonly from: string;
  readonly to: string;
  readonly check: keyof typeof checks;
}

const products = ["products_f32_64"];
const faults: readonly Fault[] = [
  {
    what: "no barrier between two chunks of a product",
    ...{ kernels: products, file: "product.cuh", check: "small trials" },
    from: "      fetch_chunk(a), fetch_chunk(b);\n      __syncthreads();",
    to: "      fetch_chunk(a), fetch_chunk(b);",
  },
  {
    what: "no barrier before columns are summed",
    ...{ kernels: ["columnSum"], file: "rows.cuh", check: "small trials" },
    from: "sums[y][x] = total;\n  __syncthreads();",
    to: "sums[y][x] = total;",
  },
  {
    what: "another position's embedding",
    ...{ kernels: ["embed"], file: "rows.cuh", check: "small trials" },
    from: "(r % o.context)",
    to: "(r / o.context)",
  },
  {
    what: "a query sees the key after it",
    ...{ kernels: ["attention_16"], file: "attention.cuh", check: "small trials" },
    from: "k + j > row_of<DP>(first, r)",
    to: "k + j > row_of<DP>(first, r) + 1",
  },
  {
    what: "a query has no gradient from its own key",
    ...{ kernels: ["attentionQueries_16"], file: "attention_backward.cuh", check: "small trials" },
    from: "k > row_of<DP>(first, r) ? 0 : weight",
    to: "k >= row_of<DP>(first, r) ? 0 : weight",
  },
  {
    what: "a row's padding counts as values",
    ...{ kernels: ["normalize"], file: "rows.cuh", check: "a width that is no multiple of four" },
    from: "count > 3 ? v.w : 0",
    to: "v.w",
  },
  {
    what: "one element beyond the depth of a product",
    ...{ kernels: products, file: "tile.cuh", check: "a width that is no multiple of four" },
    from: "if (i * 8 + j >= operand.left)",
    to: "if (i * 8 + j > operand.left)",
  },
  {
    what: "the loss of a block of rows is scaled by its own rows",
    ...{ kernels: ["crossEntropy"], file: "rows.cuh", check: "logits in blocks of rows" },
    from: "1.0f / (total * o.total_rows)",
    to: "1.0f / (total * o.rows)",
  },
  {
    what: "a gradient without its multiplier",
    ...{ kernels: ["normGradients"], file: "rows.cuh", check: "small trials" },
    from: "factor = scale * at(run, o.gain)[k]",
    to: "factor = at(run, o.gain)[k]",
  },
  {
    what: "lanes share one lane's logits",
    ...{ kernels: [...products, "crossEntropy"], file: "common.cuh", check: "a stack with little room for logits" },
    from: "(Size)blockIdx.z * run.fleeting_floats",
    to: "(Size)0 * run.fleeting_floats",
  },
  {
    what: "losses are stored by a launch's lane, not the stack's",
    ...{ kernels: ["meanLoss"], file: "rows.cuh", check: "bits in any stack" },
    from: "run.lanes + lane_of(run)",
    to: "run.lanes + (int)blockIdx.z",
  },
  {
    what: "GELU in place of its derivative",
    ...{ kernels: products, file: "product.cuh", check: "small trials" },
    from: "derivative[j] = both.derivative;",
    to: "derivative[j] = both.value;",
  },
  {
    what: "a chain of products ends after its first",
    ...{ kernels: products, file: "product.cuh", check: "small trials" },
    from: "link = o.each[link].next",
    to: "link = -1",
  },
  {
    what: "parts of a product overlap",
    ...{ kernels: products, file: "product.cuh", check: "products in parts" },
    from: "? begin + q.part_depth : q.depth",
    to: "? begin + q.part_depth + 1 : q.depth",
  },
  {
    what: "the last part is left out of the sum",
    ...{ kernels: ["sumParts"], file: "elements.cuh", check: "products in parts" },
    from: "part < o.parts",
    to: "part < o.parts - 1",
  },
  {
    what: "the sum of weights is not rescaled when a larger score comes",
    ...{ kernels: ["attention_16"], file: "attention.cuh", check: "small trials" },
    from: "s.most[r] = top, s.total[r] *= shrink;",
    to: "s.most[r] = top;",
  },
  {
    what: "large tiles sum from the other end",
    ...{ kernels: ["products_f32_128"], file: "tile.cuh", check: "bits in any stack" },
    from: "UNROLL for (int k = 0; k < P::depth; k++) {",
    to: "UNROLL for (int k = P::depth - 1; k >= 0; k--) {",
  },
  {
    what: "a stack's columns are summed from the other end",
    ...{ kernels: ["columnSum"], file: "rows.cuh", check: "bits in any stack" },
    from: "total += sums[i][x];",
    to: "total += sums[gridDim.z > 1 ? 8 - i : i][x];",
  },
  {
    what: "sums of the threads that have no row are not set",
    ...{ kernels: ["meanLoss"], file: "rows.cuh", check: "small trials" },
    from: "sums[threadIdx.x] = total;",
    to: "if ((int)threadIdx.x < o.rows) sums[threadIdx.x] = total;",
  },
  {
    what: "every second group of a tile's rows is not read",
    ...{ kernels: ["attention_16"], file: "heads.cuh", check: "a context of several tiles" },
    from: "start += BATCH * ROWS",
    to: "start += 2 * BATCH * ROWS",
  },
  {
    what: "keys are not given the queries of later tiles",
    ...{ kernels: ["attentionKeys_16"], file: "attention_backward.cuh", check: "a context of several tiles" },
    from: "for (int tile = first; tile < h.context;",
    to: "for (int tile = first; tile < first + S::TILE;",
  },
  {
    what: "a gain's gradient is that of the last group alone",
    ...{ kernels: ["normGradients"], file: "rows.cuh", check: "groups of sequences" },
    from: "o.accumulate ? *d_gain : 0.0f",
    to: "0.0f",
  },
  {
    what: "the embedding's gradient takes the first group's rows for each group's",
    ...{ kernels: ["embedBackward"], file: "rows.cuh", check: "groups of sequences" },
    from: "order[i] - o.first_row;",
    to: "order[i];",
  },
  {
    what: "epsilon is scaled as the step",
    ...{ kernels: ["adamw"], file: "elements.cuh", check: "an epsilon that matters" },
    from: "epsilon = run.epsilon_scales[step]",
    to: "epsilon = run.step_sizes[step]",
  },
  {
    what: "the step is scaled as epsilon",
    ...{ kernels: ["adamw"], file: "elements.cuh", check: "an epsilon that matters" },
    from: "rate = run.step_sizes[step]",
    to: "rate = run.epsilon_scales[step]",
  },
  {
    what: "one of three products of terms is left out",
    ...{ kernels: ["products_tf32x3_64"], file: "tile.cuh", check: "products of three terms" },
    from: "mma_tf32(row[j], rest_of_a, b[j]);",
    to: "{}",
  },
  {
    what: "bfloat16 pairs of one k",
    ...{ kernels: ["products_bf16_64"], file: "tile_bf16.cuh", check: "mixed precision" },
    from: "pack_bf16(x.x * scales.x, x.y * scales.y)",
    to: "pack_bf16(x.x * scales.x, x.x * scales.y)",
  },
  {
    what: "a query sees the key after it, on tensor cores",
    ...{ kernels: ["attention_bf16_16"], file: "attention_mixed.cuh", check: "mixed precision" },
    from: "> t + e / 2 * 8)",
    to: "> t + 1 + e / 2 * 8)",
  },
  {
    what: "values in pairs the wrong way round",
    ...{ kernels: ["attention_bf16_16"], file: "strips.cuh", check: "mixed precision" },
    from: "make_uint4(pack_bf16(v.x, w.x)",
    to: "make_uint4(pack_bf16(w.x, v.x)",
  },
  {
    what: "the sums of values are not rescaled when a larger score comes",
    ...{ kernels: ["attention_bf16_16"], file: "attention_mixed.cuh", check: "mixed precision, a context of several tiles" },
    from: "s.sums[i][e] *= shrink;",
    to: "s.sums[i][e] *= 1;",
  },
  {
    what: "a score's gradient with its mean added",
    ...{ kernels: ["attentionKeys_bf16_16"], file: "attention_mixed_backward.cuh", check: "mixed precision" },
    from: "? -means[q] : 0",
    to: "? means[q] : 0",
  },
  ...(
    [
      ["a key's gradient is that of one head", "attentionKeys_16", "attention_backward.cuh", "query_index(o, index)", "query_index(o, 0)"],
      ["a query sees another head's keys", "attention_16", "attention.cuh", "at(run, o.key) + seen.offset", "at(run, o.key) + h.offset"],
      ["heads are turned on, not back", "turnHeadsBackward", "turns.cuh", "turned(h, d, j, -1.0f)", "turned(h, d, j, 1.0f)"],
      ["every position turns as the first", "turnHeads", "turns.cuh", "r % o.context * row_length", "r % 1 * row_length"],
      [
        "a head's norm is left out of its gradient",
        "turnHeadsBackward",
        "turns.cuh",
        "fmaf(-of_x.x, mean, d.x * of_gain.x)",
        "(d.x * of_gain.x)",
      ],
      ["a head is left out of a gain's gradient", "foldHeads", "turns.cuh", "h < o.heads", "h < o.heads - 1"],
      [
        "a mean is taken off all the same",
        "normalize",
        "rows.cuh",
        "o.centered ? warp_sum(total) / o.width : 0.0f;\n",
        "warp_sum(total) / o.width;\n",
      ],
      ["half of a z-loss", "crossEntropy", "rows.cuh", "fmaf(2.0f * scalar", "fmaf(1.0f * scalar"],
      ["a gate's gradient without its slope", "swigluBackward", "elements.cuh", "fmaf(active, 1.0f - s, s)", "s"],
      ["a table as it was", "transposeMatrix", "rows.cuh", "square[x][y];", "square[y][x];"],
      ["gradients are not scaled", "adamw", "elements.cuh", "g.x[j] *= scale;", ""],
    ] as const
  ).map(([what, kernel, file, from, to]) => ({
    ...{ what, kernels: [kernel], file, from, to },
    check: "gates, rotary positions, norms of heads that share a key, one table" as const,
  })),
  {
    what: "a key forgets the heads before the last, of any size",
    ...{ kernels: ["attentionKeys_any"], file: "attention_any.cuh", check: "large heads that share keys" },
    from: "q == k && index == 0 ? 0 : 1",
    to: "q == k ? 0 : 1",
  },
  {
    what: "squared ReLU without its factor",
    ...{ kernels: ["relu2"], file: "elements.cuh", check: "squared ReLU" },
    from: "= positive + positive;",
    to: "= positive;",
  },
  ...(
    [
      [
        "no barrier before squares are summed",
        "normFactor",
        "    __syncthreads();\n    if ((int)threadIdx.x < d) partial",
        "    if ((int)threadIdx.x < d) partial",
      ],
      ["gradients are only ever scaled up", "normFactor", "most > 1.0f ? 1.0f : most", "most > 1.0f ? most : 1.0f"],
      ["momentum that does not look ahead", "momentum", "    g.x[j] = fmaf(m.x[j], share, g.x[j]);", "    g.x[j] = m.x[j];"],
      ["a matrix is not scaled before its steps", "scaleElements", "x.x[j] *= factor;", ""],
      ["no identity", "plusIdentity", "? amount : 0.0f", "? 0.0f : 0.0f"],
      ["a direction by the inverse of its shape", "muon", "(float)o.fan_out / o.fan_in", "(float)o.fan_in / o.fan_out"],
    ] as const
  ).map(([what, kernel, from, to]) => ({
    ...{ what, kernels: [kernel], file: "updates.cuh", from, to },
    check: "Muon" as const,
  })),
  {
    what: "padding counts in a norm",
    ...{ kernels: ["squareSums"], file: "updates.cuh", check: "Muon of matrices beyond a tile" },
    from: "first_of(o.columns - c, x + c)",
    to: "four(x + c)",
  },
  {
    what: "no barrier before a square is mirrored",
    ...{ kernels: ["plusIdentity"], file: "updates.cuh", check: "Muon" },
    from: "? amount : 0.0f);\n  __syncthreads();",
    to: "? amount : 0.0f);",
  },
  {
    what: "what mirrors a square is the square itself",
    ...{ kernels: ["plusIdentity"], file: "updates.cuh", check: "Muon of matrices beyond a tile" },
    from: "row + r0 + c] = square[c][r];",
    to: "row + r0 + c] = square[r][c];",
  },
  {
    what: "tiles on the diagonal are left out",
    ...{ kernels: products, file: "product.cuh", check: "Muon" },
    from: "mine.m >= mine.n + TILE",
    to: "mine.m >= mine.n",
  },
];

const perform = (name: keyof typeof checks, library?: string): Promise<void> => {
  const [check, work] = checks[name];
  return check({ ...work, ...(library !== undefined && { library }) });
};

describe.skipIf(missing !== undefined)(`planted faults${missing === undefined ? "" : ` (skipped: ${missing})`}`, () => {
  it.each(Object.keys(checks) as (keyof typeof checks)[])("none: %s", (name) => perform(name));

  const named = faults.map((fault) => [fault.what, fault.check, fault] as const);
  it.each(named)("%s: %s", async (_, check, { kernels, file, from, to }) => {
    const text = readFileSync(join(packageRoot(), "src/engines/cuda/kernels", file), "utf8");
    expect(text.split(from), `${from} in ${file}`).toHaveLength(2);
    const { library } = await standIn({
      plant: (source) => (source.file === file && kernels.includes(source.unit) ? text.replace(from, () => to) : source.text),
    });
    // Numbers differ; nothing else went wrong.
    await expect(perform(check, library)).rejects.toThrow(/^(?:loss|gradient of|expected) /);
  });
});
