/** Whether the cuda engine trains as it should: its first losses in each kind of products beside `native`'s and float64's. */
import { engineHost } from "../../src/cache.ts";
import { openCuda } from "../../src/engines/cuda/engine.ts";
import { modes, type Mode } from "../../src/engines/cuda/kernels.ts";
import { cardLimits, type CudaLimits } from "../../src/engines/cuda/target.ts";
import type { Engine } from "../../src/engines/engine.ts";
import { engines } from "../../src/engines/registry.ts";
import { cores } from "../contest.ts";
import { chunkOf, loaded } from "../ours.ts";
import { gpuProxy, type Work } from "../work.ts";
import { float64Losses } from "./float64.ts";
import type { Finding } from "./finding.ts";

/** The engine with products of one kind. */
export function cudaWith(mode: Mode, limits: Partial<CudaLimits> = {}): Promise<Engine> {
  const host = engineHost();
  return openCuda({ ...host, environment: { ...host.environment, MUTRANSFER_CUDA_PRODUCTS: mode } }, { ...cardLimits, ...limits });
}

interface Case {
  readonly work: Work;
  /** Float64 is slow: only where the products' rounding is in question. */
  readonly inFloat64?: true;
}
const work = (some: Partial<Work>): Work => ({ ...gpuProxy, width: 64, stack: 1, device: "cpu", ...some });
/** One for each way through attention, and for shapes with padding, many rows of logits, tiles of 128. */
const onCard: readonly Case[] = [
  { work: work({ width: 128, layers: 2, context: 32, batch: 4 }), inFloat64: true },
  { work: work({ width: 256, layers: 4 }) },
  { work: work({ width: 64, layers: 2, head_dim: 16, context: 256, batch: 4 }) },
  { work: work({ width: 128, layers: 2, head_dim: 64, context: 1024, batch: 2 }) },
  { work: work({ width: 256, layers: 1, head_dim: 128, batch: 4 }) },
  { work: work({ width: 320, layers: 1, head_dim: 160, batch: 4 }) },
  { work: work({ width: 60, layers: 2, head_dim: 20, context: 33, batch: 3, vocabulary: 97 }) },
  { work: work({ width: 64, layers: 1, batch: 4, vocabulary: 50257 }) },
];
const small: readonly Case[] = [
  { work: work({ width: 32, layers: 1, context: 16, batch: 2 }), inFloat64: true },
  { work: work({ width: 20, layers: 1, head_dim: 10, context: 9, batch: 3, vocabulary: 41 }) },
];

/** Most that losses may differ by, in nats. */
const mostError: Readonly<Record<Mode, number>> = { f32: 1e-5, tf32x3: 1e-5, tf32: 2e-3, bf16: 1.5e-2 };
/** 3xTF32 passes for float32 if its error is no more than so many times float32's, and what losses of this size are rounded to. */
const [mostTimes, roundingOfLosses] = [3, 5e-7];

const worst = (a: readonly number[], b: readonly number[]): number => Math.max(...a.map((loss, step) => Math.abs(loss - b[step])));
const nameOf = ({ width, layers, head_dim, context, batch, vocabulary }: Work): string =>
  `width ${width}, ${layers} layers, head_dim ${head_dim}, context ${context}, batch ${batch}, vocabulary ${vocabulary}`;

async function lossesOf(engine: Engine, each: Work, steps: number): Promise<readonly number[]> {
  const executable = await loaded(engine, each, { threads: cores, precision: "float32" });
  const losses = await executable.train(chunkOf(each, steps));
  await executable.dispose();
  return [...losses];
}

export async function* checkLosses(isSmall: boolean): AsyncGenerator<Finding> {
  const steps = isSmall ? 5 : 20;
  const native = await engines.native.open(engineHost());
  const ours = await Promise.all(modes.map(async (mode) => [mode, await cudaWith(mode)] as const));
  for (const { work: each, inFloat64 } of isSmall ? small : onCard) {
    const expected = await lossesOf(native, each, steps);
    const exact = inFloat64 && float64Losses(each, steps);
    const errors: Partial<Record<Mode, number>> = {};
    for (const [mode, engine] of ours) {
      const losses = await lossesOf(engine, each, steps);
      const beside = { native: worst(losses, expected), ...(exact && { float64: worst(losses, exact) }) };
      errors[mode] = beside.float64 ?? 0;
      const ok = beside.native <= mostError[mode] && losses.every(Number.isFinite);
      yield { check: `losses of ${steps} steps, ${mode}, ${nameOf(each)}`, ok, largest_difference: beside, losses };
    }
    if (exact) {
      const { f32 = NaN, tf32x3 = NaN } = errors;
      const ok = tf32x3 <= mostTimes * f32 + roundingOfLosses;
      yield {
        check: "the error of tf32x3 is float32's",
        ok,
        largest_difference_from_float64: { f32, tf32x3, native: worst(expected, exact) },
      };
    }
  }
}
