/**
 * The GPUs of this machine as their drivers describe them, without loading an engine:
 * NVIDIA's through nvidia-smi, and all that speak Vulkan through its loader.
 */
import { execFileSync } from "node:child_process";
import { platform } from "node:os";

/** A GPU as nvidia-smi describes it. */
export interface NvidiaGpu {
  /** What CUDA_VISIBLE_DEVICES calls it: not its number, which CUDA and nvidia-smi count in different orders. */
  readonly uuid: string;
  readonly name: string;
  readonly memoryBytes: number;
  readonly driver: string;
  /** Compute capability as major.minor, such as 9.0. */
  readonly computeCapability: string;
}

const nvidiaFields = ["index", "uuid", "name", "memory.total", "driver_version", "compute_cap"] as const;

const listed = new Map<string, readonly (NvidiaGpu & { readonly index: string })[]>();

/** NVIDIA GPUs that this process may use; none without a driver. */
export function nvidiaGpus(environment: Readonly<Record<string, string | undefined>>): readonly NvidiaGpu[] {
  const path = environment["PATH"] ?? "";
  const all = listed.get(path) ?? listNvidia(environment);
  listed.set(path, all);
  const visible = environment["CUDA_VISIBLE_DEVICES"]?.split(",").map((each) => each.trim());
  if (visible === undefined) return all.map(withoutIndex);
  // CUDA stops at the first name that it does not know. Names other than of whole GPUs (MIG slices) are not resolved here.
  const found = visible.map((name) => all.find(({ index, uuid }) => name === index || (name.startsWith("GPU-") && uuid.startsWith(name))));
  const unknown = found.indexOf(undefined);
  return (unknown < 0 ? found : found.slice(0, unknown)).flatMap((gpu) => (gpu === undefined ? [] : [withoutIndex(gpu)]));
}

const withoutIndex = ({ uuid, name, memoryBytes, driver, computeCapability }: NvidiaGpu): NvidiaGpu => ({
  ...{ uuid, name, memoryBytes, driver, computeCapability },
});

function listNvidia(environment: Readonly<Record<string, string | undefined>>): readonly (NvidiaGpu & { readonly index: string })[] {
  let listing: string;
  try {
    const query = [`--query-gpu=${nvidiaFields.join()}`, "--format=csv,noheader,nounits"];
    listing = execFileSync("nvidia-smi", query, {
      encoding: "utf8",
      timeout: 10_000,
      stdio: ["ignore", "pipe", "ignore"],
      env: { ...environment },
    });
  } catch {
    return []; // no driver, or none that answers
  }
  return listing
    .split("\n")
    .map((line) => line.split(",").map((field) => field.trim()))
    .filter((fields) => fields.length === nvidiaFields.length)
    .map(([index, uuid, name, mebibytes, driver, computeCapability]) => ({
      ...{ index, uuid, name, driver, computeCapability },
      memoryBytes: Number(mebibytes) * 2 ** 20,
    }));
}

/** Where NVIDIA's driver has its library, in the order of trying: Linux, Windows Subsystem for Linux. */
export const cudaLibraries = platform() === "win32" ? ["nvcuda.dll"] : ["libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1"];

/** Whether NVIDIA's driver may have a GPU that nvidia-smi does not tell of: in a container without it, or a part of a GPU (MIG). */
export async function hasCudaDriver(environment: Readonly<Record<string, string | undefined>>): Promise<boolean> {
  if (/^\s*(-1\b.*)?$/.test(environment["CUDA_VISIBLE_DEVICES"] ?? "0")) return false;
  const named = environment["MUTRANSFER_LIBCUDA"];
  for (const path of named === undefined ? cudaLibraries : [named]) if ((await loadLibrary(path)) !== undefined) return true;
  return false;
}

/** The first compute capability whose products can round operands to TF32. */
export const hasTf32 = ({ computeCapability }: Pick<NvidiaGpu, "computeCapability">): boolean => Number(computeCapability) >= 8;

/** A device as Vulkan describes it. */
export interface VulkanDevice {
  readonly name: string;
  /** False for a software renderer. */
  readonly isGpu: boolean;
  /** Memory on the device itself. */
  readonly memoryBytes: number;
  /** Largest buffer that a shader can be given. */
  readonly bufferBytes: number;
}

/** Offsets of the fields used here, in vulkan_core.h's structures on 64-bit machines. */
const properties = { bytes: 1024, type: 16, name: 20, nameBytes: 256, maxStorageBufferRange: 324 } as const;
const memory = { bytes: 1024, heapCount: 260, heaps: 264, heapBytes: 16, deviceLocal: 1 } as const;
const cpuType = 4;
const instanceInfoType = 1;
const maxDevices = 16;

type Library = ReturnType<(typeof import("koffi"))["load"]>;
async function loadLibrary(path: string): Promise<Library | undefined> {
  try {
    return (await import("koffi")).default.load(path);
  } catch {
    return undefined; // no such library, or no koffi to load it with
  }
}
const vulkanLoader = (): Promise<Library | undefined> => loadLibrary(platform() === "win32" ? "vulkan-1.dll" : "libvulkan.so.1");

/** Whether there is a Vulkan loader; no driver is loaded to find out. */
export const hasVulkan = async (): Promise<boolean> => (await vulkanLoader()) !== undefined;

/** Devices that Vulkan offers; none without its loader. Loads their drivers into this process. */
export async function vulkanDevices(): Promise<readonly VulkanDevice[]> {
  const vulkan = await vulkanLoader();
  if (vulkan === undefined) return [];
  type Call = (...values: readonly (Buffer | bigint | null)[]) => number;
  const createInstance = vulkan.func("int vkCreateInstance(void *, void *, void *)") as Call;
  const destroyInstance = vulkan.func("void vkDestroyInstance(uint64_t, void *)") as Call;
  const enumerate = vulkan.func("int vkEnumeratePhysicalDevices(uint64_t, void *, void *)") as Call;
  const getProperties = vulkan.func("void vkGetPhysicalDeviceProperties(uint64_t, void *)") as Call;
  const getMemory = vulkan.func("void vkGetPhysicalDeviceMemoryProperties(uint64_t, void *)") as Call;

  const info = Buffer.alloc(64);
  info.writeUInt32LE(instanceInfoType);
  const handle = Buffer.alloc(8);
  if (createInstance(info, null, handle) !== 0) return [];
  const instance = handle.readBigUInt64LE();
  try {
    const count = Buffer.alloc(4);
    const handles = Buffer.alloc(8 * maxDevices);
    count.writeUInt32LE(maxDevices);
    if (enumerate(instance, count, handles) < 0) return [];
    return Array.from({ length: count.readUInt32LE() }, (_, index) => {
      const device = handles.readBigUInt64LE(8 * index);
      const [about, heaps] = [Buffer.alloc(properties.bytes), Buffer.alloc(memory.bytes)];
      getProperties(device, about);
      getMemory(device, heaps);
      const local = Array.from({ length: heaps.readUInt32LE(memory.heapCount) }, (_unused, heap) => {
        const at = memory.heaps + memory.heapBytes * heap;
        return (heaps.readUInt32LE(at + 8) & memory.deviceLocal) === 0 ? 0 : Number(heaps.readBigUInt64LE(at));
      });
      const name = about.toString("utf8", properties.name, properties.name + properties.nameBytes);
      return {
        name: name.slice(0, name.indexOf("\0")),
        isGpu: about.readUInt32LE(properties.type) !== cpuType,
        memoryBytes: Math.max(0, ...local),
        bufferBytes: about.readUInt32LE(properties.maxStorageBufferRange),
      };
    });
  } finally {
    destroyInstance(instance, null);
  }
}
