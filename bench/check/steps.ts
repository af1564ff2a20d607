/** A few steps with every kernel, for compute-sanitizer (bench/sanitize-gpu.sh): what they compute is checked elsewhere. */
import { modes, type Mode } from "../../src/engines/cuda/kernels.ts";
import { chunkOf, loaded } from "../ours.ts";
import { gpuProxy, type Work } from "../work.ts";
import type { Finding } from "./finding.ts";
import { cudaWith } from "./losses.ts";

const work = (some: Partial<Work>): Work => ({
  ...gpuProxy,
  width: 64,
  layers: 1,
  context: 32,
  batch: 4,
  stack: 2,
  device: "cpu",
  ...some,
});

/** Attention has kernels for float32 and for bfloat16. */
const attentionModes = ["f32", "bf16"] as const satisfies readonly Mode[];

/** Two steps of each work with products of a mode, in tiles of 128 or of 64. */
async function* steps(works: readonly Work[], mode: Mode): AsyncGenerator<Finding> {
  for (const [tile, fullGrid] of [
    [128, 1],
    [64, 2 ** 30],
  ] as const) {
    const engine = await cudaWith(mode, { fullGrid });
    for (const each of works) {
      const executable = await loaded(engine, each, { threads: 1, precision: "float32" });
      const losses = [...(await executable.train(chunkOf(each, 2))), ...(await executable.evaluate(chunkOf(each, 1)))];
      await executable.dispose();
      const { width, head_dim, vocabulary } = each;
      yield { check: `steps in ${mode}, tiles of ${tile}`, ok: losses.every(Number.isFinite), width, head_dim, vocabulary, losses };
    }
  }
}

/** Shapes whose rows end where lines do: every value that is read has been written. */
export async function* wholeLines(): AsyncGenerator<Finding> {
  for (const mode of modes) yield* steps([work({ width: 128 })], mode);
  const heads = [16, 64, 128, 160].map((head_dim) => work({ width: head_dim * 2, head_dim }));
  for (const mode of attentionModes)
    yield* steps([...heads, work({ vocabulary: 2048, batch: 2 }), work({ context: 128, batch: 16 })], mode);
}
/** Shapes with padding, which is read but must not matter. */
export async function* paddedLines(): AsyncGenerator<Finding> {
  const padded = work({ width: 60, head_dim: 20, context: 33, batch: 3, vocabulary: 97 });
  for (const mode of modes) yield* steps([padded], mode);
  const heads = [
    work({ width: 132, head_dim: 132, context: 9, batch: 3 }),
    work({ width: 20, head_dim: 10, context: 65, batch: 1, vocabulary: 1101 }),
  ];
  for (const mode of attentionModes) yield* steps(heads, mode);
}
