/**
 * Engines over onnxruntime, one for each of its execution providers. They differ in
 * how small ops are put (algebra.ts) and in how steps are run.
 */
import { createRequire } from "node:module";
import { platform, totalmem } from "node:os";
import { cpuDevice, EngineUnavailable, type Device, type Engine, type EngineName, type Host } from "../engine.ts";
import { hasTf32, nvidiaGpus, vulkanDevices } from "../gpus.ts";
import { FusedAlgebra, OnnxAlgebra } from "./algebra.ts";
import { CpuAlgebra } from "./cpu-algebra.ts";
import { missingCudaProvider, missingOnnxruntime } from "./installed.ts";
import { onDevice } from "./models.ts";
import { ScanningExecutable } from "./scanning.ts";
import { Sessions, type Provider, type Runtime } from "./sessions.ts";
import { SteppingExecutable } from "./stepping.ts";

type OnnxEngineName = EngineName & ("onnxruntime" | "cuda" | "webgpu");

interface OnnxEngine extends Provider {
  readonly executable: typeof ScanningExecutable | typeof SteppingExecutable;
  /** The device, or EngineUnavailable with the piece that is missing. */
  readonly device: (host: Host) => Promise<Device>;
}

const onnxEngines: { readonly [E in OnnxEngineName]: OnnxEngine } = {
  onnxruntime: {
    name: "cpu",
    algebra: CpuAlgebra,
    timeMajor: true,
    executable: ScanningExecutable,
    device: () => Promise.resolve(cpuDevice()),
  },
  cuda: {
    name: "cuda",
    algebra: FusedAlgebra,
    timeMajor: false,
    executable: ScanningExecutable,
    device: cudaDevice,
  },
  webgpu: { name: "webgpu", algebra: OnnxAlgebra, timeMajor: false, executable: SteppingExecutable, device: webgpuDevice },
};

function cudaDevice({ environment }: Host): Promise<Device> {
  const [gpu] = nvidiaGpus(environment);
  if (gpu === undefined) throw new EngineUnavailable("the cuda engine needs an NVIDIA GPU, and nvidia-smi lists none");
  const missing = missingCudaProvider();
  if (missing !== undefined) throw new EngineUnavailable(missing);
  return Promise.resolve({ kind: "gpu", name: gpu.name, memoryBytes: gpu.memoryBytes, ...(hasTf32(gpu) && { mixedProducts: "TF32" }) });
}

async function webgpuDevice(): Promise<Device> {
  // Metal has no list to look at; a Mac's GPU uses the machine's memory, and Metal lets it have about two thirds.
  if (platform() === "darwin") return { kind: "gpu", name: "Metal", memoryBytes: (2 / 3) * totalmem() };
  const devices = await vulkanDevices();
  const device = devices.find(({ isGpu }) => isGpu) ?? devices[0];
  if (device === undefined && platform() === "win32") return { kind: "gpu", name: "Direct3D 12", memoryBytes: totalmem() / 2 };
  if (device === undefined)
    throw new EngineUnavailable("the webgpu engine needs a GPU driver with Vulkan and its loader (Debian: apt install libvulkan1)");
  return { kind: device.isGpu ? "gpu" : "cpu", name: device.name, memoryBytes: device.memoryBytes, tensorBytes: device.bufferBytes };
}

/** Loads the runtime and opens the provider; throws EngineUnavailable when one of them cannot be used. */
export async function openOnnxruntime(name: OnnxEngineName, host: Host): Promise<Engine> {
  const missing = missingOnnxruntime();
  if (missing !== undefined) throw new EngineUnavailable(missing);
  let runtime: Runtime;
  try {
    runtime = await import("onnxruntime-node");
  } catch (error) {
    throw new EngineUnavailable(`onnxruntime-node cannot be loaded: ${(error as Error).message}`);
  }
  const engine = onnxEngines[name];
  const device = await engine.device(host);
  if (engine.name !== "cpu") await tryProvider(runtime, engine);
  const { version } = createRequire(import.meta.url)("onnxruntime-node/package.json") as { version: string };
  return {
    name,
    version: `onnxruntime-node ${version}`,
    device,
    compile: async (program, { threads }) => {
      const executable = new engine.executable(new Sessions(runtime, engine, threads), program, engine);
      await executable.compile();
      return executable;
    },
  };
}

/** Only a session tells whether a provider finds its device and its libraries. */
async function tryProvider(runtime: Runtime, provider: Provider): Promise<void> {
  const sessions = new Sessions(runtime, provider, 1);
  try {
    await sessions.run("try", () => onDevice([1]), { x: sessions.floats(Float32Array.of(1), [1]) });
  } catch (error) {
    throw new EngineUnavailable(`onnxruntime cannot use ${provider.name} here: ${(error as Error).message.trim().split("\n")[0]}`);
  }
  await sessions.dispose();
}
