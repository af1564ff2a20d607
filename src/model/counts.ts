/** What follows from a model by counting: its parameters, and the FLOPs of a training step. */
import { newtonSchulz } from "../program/ops.ts";
import { sizeOf } from "../program/program.ts";
import type { ModelConfig } from "./config.ts";
import { modelOf, parametersOf } from "./transformer.ts";

/** Number of trained parameters. */
export function parameterCount(config: ModelConfig): number {
  return parametersOf(config).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

/**
 * Training FLOPs of one step: 6 · (weights of all products) · tokens + 12 · L · T² · C per sequence for attention's
 * two products, unmasked. Embeddings, norms and the optimizer are not counted.
 * Source: Kaplan et al. 2020, section 2.1, with the attention term of Chowdhery et al. 2022, appendix B.
 */
export function flopsPerStep(config: ModelConfig, batch: number): number {
  const { context, layers, width } = config;
  return 6 * modelOf(config).productWeights * batch * context + 12 * layers * batch * context ** 2 * width;
}

/**
 * FLOPs of Muon's products in one step, which do not depend on the batch: for each hidden matrix [n, k], n ≤ k, five times XXᵀ and A·A, of
 * which half is computed since they are symmetric, and A·X.
 */
export function muonFlops(config: ModelConfig): number {
  const matrices = parametersOf(config).filter(({ role }) => role === "hidden");
  return matrices.reduce((sum, { shape }) => {
    const [n, k] = [...shape].sort((a, b) => a - b);
    return sum + newtonSchulz.steps * (3 * n * n * k + n ** 3);
  }, 0);
}
