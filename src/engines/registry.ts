/**
 * What is known of each engine before it is loaded: whether it is worth trying here,
 * what its processes need, how much memory a step takes, and how to get and load it.
 * Loading one loads nothing of the others.
 */
import { platform } from "node:os";
import type { Program } from "../program/program.ts";
import { cores } from "./cores.ts";
import type { Engine, EngineName, Footprint, Host, Precision } from "./engine.ts";
import { hasCudaDriver, hasVulkan, nvidiaGpus } from "./gpus.ts";
import { installOnnxruntime, missingOnnxruntime } from "./onnxruntime/installed.ts";
import { installedPackages, tensorflowEnvironment } from "./tfjs/load.ts";

/** Environment variables of a worker process. */
export type WorkerVariables = Readonly<Record<string, string>>;

/** What is known of an engine before it is loaded. */
export interface EngineEntry {
  /** What it computes on and through, in a few words. */
  readonly meaning: string;
  readonly kind: "cpu" | "gpu";
  /** Why it need not be tried when no engine was named, found out without loading it; undefined when it should. */
  readonly hopeless: (host: Host) => Promise<string | undefined>;
  /** Memory of a process that has loaded it and trains a model of next to no size. */
  readonly processBytes: number;
  /** One environment for each worker that should train at the same time. */
  readonly workers: (host: Host, precision: Precision) => readonly WorkerVariables[];
  readonly footprint: (program: Program, threads: number) => Promise<Footprint>;
  /** How to get it where it is missing. */
  readonly install: string;
  /** Throws EngineUnavailable when the engine cannot run here. */
  readonly open: (host: Host) => Promise<Engine>;
}

const onePerCore = (): readonly WorkerVariables[] => Array.from({ length: cores() }, () => ({}));

/** One worker for each GPU, which sees no other; one that sees what there is when none is known. */
function onePerGpu({ environment }: Host): readonly WorkerVariables[] {
  const gpus = nvidiaGpus(environment);
  return gpus.length === 0 ? [{}] : [...new Set(gpus.map(({ uuid }) => uuid))].map((uuid) => ({ CUDA_VISIBLE_DEVICES: uuid }));
}

const smallOpsFootprint = async (program: Program): Promise<Footprint> => (await import("./small-ops/footprint.ts")).footprintOf(program);
const hasNvidia = ({ environment }: Host): boolean => nvidiaGpus(environment).length > 0;
const onnxruntime = async (name: "onnxruntime" | "webgpu"): Promise<Engine> =>
  (await import("./onnxruntime/engine.ts")).openOnnxruntime(name);

/**
 * Memory of a process, shared pages and what JavaScript allocates while it trains included, as measured on Linux x64 and rounded
 * up: 133 MiB for native after some hundred trials, 180 MiB for onnxruntime, 363 MB for tfjs with libtensorflow.
 */
const [nativeProcess, onnxruntimeProcess, tensorflowProcess] = [140 * 2 ** 20, 190 * 2 ** 20, 500 * 2 ** 20];
/** Memory of a process with a CUDA context on the host: not measured, and small. */
const cudaProcess = 300 * 2 ** 20;
const always = (): Promise<undefined> => Promise.resolve(undefined);
/** Why engines on NVIDIA GPUs are not tried where there is none. */
export const noNvidia = "no NVIDIA GPU";

/** Every engine by name. */
export type Registry = { readonly [E in EngineName]: EngineEntry };
/** The engines of this program. */
export const engines: Registry = {
  cuda: {
    meaning: "NVIDIA GPUs, this project's CUDA kernels",
    kind: "gpu",
    hopeless: async (host) => (hasNvidia(host) || (await hasCudaDriver(host.environment)) ? undefined : noNvidia),
    processBytes: cudaProcess,
    // Kernels are loaded before a step that uses them is captured.
    workers: (host) => onePerGpu(host).map((each) => ({ CUDA_MODULE_LOADING: "EAGER", ...each })),
    footprint: async (program) => (await import("./cuda/engine.ts")).footprintOf(program),
    install: "needs an NVIDIA GPU and its driver, nothing else",
    open: async (host) => (await import("./cuda/engine.ts")).openCuda(host),
  },
  tfjs: {
    meaning: "TensorFlow.js: NVIDIA GPUs (tfjs-node-gpu), CPU (tfjs-node, or plain JavaScript)",
    kind: "gpu",
    hopeless: (host) => {
      const isInstalled = installedPackages()[0]?.name === "@tensorflow/tfjs-node-gpu";
      return Promise.resolve(!hasNvidia(host) ? noNvidia : isInstalled ? undefined : "@tensorflow/tfjs-node-gpu is not installed");
    },
    processBytes: tensorflowProcess,
    // Without a GPU one process uses every core: libtensorflow decides on its threads itself. float32 means
    // float32: CUDA's libraries would round operands to TF32 unless told not to.
    workers: (host, precision) => {
      const products = precision === "float32" ? { NVIDIA_TF32_OVERRIDE: "0" } : {};
      return onePerGpu(host).map((each) => ({ ...tensorflowEnvironment, ...products, ...each }));
    },
    footprint: smallOpsFootprint,
    install: "npm install @tensorflow/tfjs-node-gpu (NVIDIA) or @tensorflow/tfjs-node (CPU)",
    open: async (host) => (await import("./tfjs/engine.ts")).openTfjs(host),
  },
  webgpu: {
    meaning: "any GPU with Vulkan, Metal or D3D12, onnxruntime's WebGPU provider",
    kind: "gpu",
    hopeless: async () => missingOnnxruntime() ?? (platform() === "darwin" || (await hasVulkan()) ? undefined : "no Vulkan loader"),
    processBytes: onnxruntimeProcess,
    workers: () => [{}],
    footprint: smallOpsFootprint,
    install: `needs ${installOnnxruntime}, a GPU driver and, on Linux, the Vulkan loader (Debian: apt install libvulkan1)`,
    open: () => onnxruntime("webgpu"),
  },
  native: {
    meaning: "CPU, this project's C kernels",
    kind: "cpu",
    hopeless: always,
    processBytes: nativeProcess,
    workers: onePerCore,
    footprint: async (program, threads) => (await import("./native/engine.ts")).footprintOf(program, threads),
    install: "needs a C compiler (Debian: apt install gcc, macOS: xcode-select --install)",
    open: async (host) => (await import("./native/engine.ts")).openNative(host),
  },
  onnxruntime: {
    meaning: "CPU, onnxruntime",
    kind: "cpu",
    hopeless: () => Promise.resolve(missingOnnxruntime()),
    processBytes: onnxruntimeProcess,
    workers: onePerCore,
    footprint: smallOpsFootprint,
    install: installOnnxruntime,
    open: () => onnxruntime("onnxruntime"),
  },
};
