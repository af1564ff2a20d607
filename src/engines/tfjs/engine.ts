/** The TensorFlow.js engine: op by op, or as a graph where libtensorflow is behind it. */
import { cpuDevice, type Device, type Engine, type Host } from "../engine.ts";
import { hasTf32, nvidiaGpus } from "../gpus.ts";
import { EagerExecutable } from "./eager.ts";
import { GraphExecutable } from "./graph.ts";
import { loadTfjs, type TfjsPackage } from "./load.ts";

interface Options {
  /** `eager` runs op by op even where libtensorflow could run graphs, which are faster: see docs/engines.md. */
  readonly mode?: "eager";
  /** The package to use instead of the fastest that is installed. */
  readonly package?: TfjsPackage;
}

/** The engine on the fastest TensorFlow.js that is installed; throws EngineUnavailable when there is none. */
export async function openTfjs({ environment }: Host, options: Options = {}): Promise<Engine> {
  const loaded = await loadTfjs(options.package);
  const { tf, node } = loaded;
  const [gpu] = loaded.isOnGpu ? nvidiaGpus(environment) : [];
  const device: Device = loaded.isOnGpu
    ? { kind: "gpu", name: gpu?.name ?? "CUDA", memoryBytes: gpu?.memoryBytes ?? 0, ...(gpu && hasTf32(gpu) && { mixedProducts: "TF32" }) }
    : cpuDevice();
  return {
    name: "tfjs",
    version: `${loaded.package} ${loaded.version}`,
    device,
    compile: async (program) =>
      node && options.mode !== "eager" ? await GraphExecutable.compile(tf, node, program) : new EagerExecutable(tf, program),
  };
}
