/**
 * What is known of each engine before it is loaded, and how to load it. Loading
 * one loads nothing of the others.
 */
import { createRequire } from "node:module";
import { kernelVersion } from "./native/build.ts";
import { tfjsVersion } from "./tfjs/load.ts";
import type { Engine, EngineName, Host } from "./engine.ts";

interface Entry {
  /** Package and version that does the arithmetic. */
  readonly version: () => string;
  readonly device: string;
  /** Trials per stack that run fastest; measured, see the README's performance section. */
  readonly fastestStack: number;
  /** Throws EngineUnavailable when the engine cannot run here. */
  readonly open: (host: Host) => Promise<Engine>;
}

const require = createRequire(import.meta.url);
const packageVersion = (name: string) => (): string => `${name} ${(require(`${name}/package.json`) as { version: string }).version}`;

export const engines: { readonly [E in EngineName]: Entry } = {
  native: {
    version: kernelVersion,
    device: "cpu",
    fastestStack: 1,
    open: async (host) => (await import("./native/engine.ts")).openNative(host),
  },
  onnxruntime: {
    version: packageVersion("onnxruntime-node"),
    device: "cpu",
    fastestStack: 1,
    open: async () => (await import("./onnxruntime/engine.ts")).openOnnxruntime("onnxruntime"),
  },
  cuda: {
    version: packageVersion("onnxruntime-node"),
    device: "cuda",
    fastestStack: 64,
    open: async () => (await import("./onnxruntime/engine.ts")).openOnnxruntime("cuda"),
  },
  webgpu: {
    version: packageVersion("onnxruntime-node"),
    device: "webgpu",
    fastestStack: 64,
    open: async () => (await import("./onnxruntime/engine.ts")).openOnnxruntime("webgpu"),
  },
  tfjs: {
    version: tfjsVersion,
    device: "cpu",
    fastestStack: 1,
    open: async () => (await import("./tfjs/engine.ts")).openTfjs(),
  },
};
