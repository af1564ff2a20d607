/**
 * Engines over onnxruntime, one for each of its execution providers. They differ in
 * how small ops are put (algebra.ts, cpu-algebra.ts) and in how steps are run.
 */
import { createRequire } from "node:module";
import { platform, totalmem } from "node:os";
import { cpuDevice, EngineUnavailable, type Device, type Engine, type EngineName } from "../engine.ts";
import { vulkanDevices } from "../gpus.ts";
import { importOptional } from "../optional.ts";
import { missingOnnxruntime } from "./installed.ts";
import { onDevice } from "./models.ts";
import { ScanningExecutable } from "./scanning.ts";
import { Sessions, type Provider, type Runtime } from "./sessions.ts";
import { SteppingExecutable } from "./stepping.ts";

type OnnxEngineName = EngineName & ("onnxruntime" | "webgpu");

interface OnnxEngine {
  readonly provider: Provider;
  readonly executable: typeof ScanningExecutable | typeof SteppingExecutable;
  /** The device, or EngineUnavailable with the piece that is missing. */
  readonly device: () => Promise<Device>;
}

const onnxEngines: { readonly [E in OnnxEngineName]: OnnxEngine } = {
  onnxruntime: { provider: "cpu", executable: ScanningExecutable, device: () => Promise.resolve(cpuDevice()) },
  webgpu: { provider: "webgpu", executable: SteppingExecutable, device: webgpuDevice },
};

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
export async function openOnnxruntime(name: OnnxEngineName): Promise<Engine> {
  const missing = missingOnnxruntime();
  if (missing !== undefined) throw new EngineUnavailable(missing);
  let runtime: Runtime;
  try {
    runtime = (await importOptional("onnxruntime-node")) as Runtime;
  } catch (error) {
    throw new EngineUnavailable(`onnxruntime-node cannot be loaded: ${(error as Error).message}`);
  }
  const { provider, executable: Executable, device: find } = onnxEngines[name];
  const device = await find();
  if (provider !== "cpu") await tryProvider(runtime, provider);
  const { version } = createRequire(import.meta.url)("onnxruntime-node/package.json") as { version: string };
  return {
    name,
    version: `onnxruntime-node ${version}`,
    device,
    compile: async (program, { threads }) => {
      const executable = new Executable(new Sessions(runtime, provider, threads), program);
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
    throw new EngineUnavailable(`onnxruntime cannot use ${provider} here: ${(error as Error).message.trim().split("\n")[0]}`);
  }
  await sessions.dispose();
}
