/** Who is timed on a GPU: this project's engines and the peers, by the names that results have. */
import { engineHost } from "../src/cache.ts";
import { engines } from "../src/engines/registry.ts";
import { ours, peer, type Command } from "./contest.ts";

/** What operands of matrix products are rounded to; three terms of TF32 stand for a float32. */
export const products = ["float32", "tf32x3", "tf32", "bf16"] as const;
export type Products = (typeof products)[number];

export interface Entrant {
  readonly command: Command;
  /** Whether it trains a stack at once; the others are timed once for each width. */
  readonly stacks: boolean;
  readonly products: Products;
  readonly environment?: Readonly<Record<string, string>>;
}
const stacked = (command: Command, products: Products = "float32", environment: Entrant["environment"] = {}): Entrant => ({
  ...{ command, stacks: true, products, environment },
});
const single = (command: Command, products: Products = "float32"): Entrant => ({ command, stacks: false, products });

export const entrants: Readonly<Record<string, Entrant>> = {
  cuda: stacked(ours("cuda")),
  "cuda, mixed": stacked(ours("cuda", { precision: "mixed" }), "bf16"),
  "cuda, TF32": stacked(ours("cuda"), "tf32", { MUTRANSFER_CUDA_PRODUCTS: "tf32" }),
  "cuda, 3xTF32": stacked(ours("cuda"), "tf32x3", { MUTRANSFER_CUDA_PRODUCTS: "tf32x3" }),
  "cuda, 8 lanes at a time": stacked(ours("cuda"), "float32", { MUTRANSFER_CUDA_LANES: "8" }),
  "cuda, mixed, 8 lanes at a time": stacked(ours("cuda", { precision: "mixed" }), "bf16", { MUTRANSFER_CUDA_LANES: "8" }),
  tfjs: stacked(ours("tfjs")),
  "tfjs, eager": stacked(ours("tfjs", { mode: "eager" })),
  "tfjs, mixed": stacked(ours("tfjs", { precision: "mixed" }), "tf32"),
  webgpu: stacked(ours("webgpu")),
  native: stacked(ours("native")),
  onnxruntime: stacked(ours("onnxruntime")),
  jax: stacked(peer("jax_peer")),
  "jax, TF32": stacked(peer("jax_peer", "tensorfloat32"), "tf32"),
  "jax, default precision": stacked(peer("jax_peer", "default"), "tf32"), // which is what it is on an NVIDIA GPU
  "torch eager": single(peer("torch_peer", "eager")),
  "torch.compile": single(peer("torch_peer", "compile")),
  "torch.compile, TF32": single(peer("torch_peer", "compile", "high"), "tf32"),
  "torch.compile, bf16": single(peer("torch_peer", "compile", "bf16"), "bf16"),
  "torch.compile, CUDA graphs": single(peer("torch_peer", "graphs")),
};

/** Who is timed when nobody is named. */
export const defaults = {
  nvidia: "cuda;cuda, mixed;jax;jax, default precision;torch.compile;torch.compile, CUDA graphs",
  vulkan: "webgpu;torch eager;torch.compile;jax",
  cpu: "native;onnxruntime;torch eager;torch.compile;jax",
  target: "cuda;cuda, mixed;torch.compile, TF32;torch.compile, bf16",
} as const;

/** Losses of the first steps may differ by rounding, in nats. */
const tolerances: Readonly<Record<Products, number>> = { float32: 5e-4, tf32x3: 5e-4, tf32: 3e-2, bf16: 6e-2 };
export const tolerance = (name: string): number => tolerances[entrants[name].products];

/** Variables of a contestant's process. */
export function environmentOf(name: string): Readonly<Record<string, string>> {
  const { products, environment } = entrants[name];
  const engine = (Object.keys(engines) as (keyof typeof engines)[]).find((each) => name.split(",")[0] === each);
  const precision = products === "float32" ? "float32" : "mixed";
  return { ...(engine && engines[engine].workers(engineHost(), precision)[0]), ...environment };
}
