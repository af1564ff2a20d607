/**
 * The GPUs of this machine as their drivers describe them, without loading an engine:
 * NVIDIA's through nvidia-smi, and all that speak Vulkan through its loader.
 */
import { execFileSync } from "node:child_process";
import { platform } from "node:os";

export interface NvidiaGpu {
  /** What CUDA_VISIBLE_DEVICES calls it. */
  readonly index: string;
  readonly name: string;
  readonly memoryBytes: number;
  readonly driver: string;
  /** Major.minor, such as 9.0. */
  readonly computeCapability: string;
}

const nvidiaFields = ["index", "name", "memory.total", "driver_version", "compute_cap"] as const;

/** NVIDIA GPUs that this process may use; none without a driver. */
export function nvidiaGpus(environment: Readonly<Record<string, string | undefined>>): readonly NvidiaGpu[] {
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
  const all = listing
    .split("\n")
    .map((line) => line.split(",").map((field) => field.trim()))
    .filter((fields) => fields.length === nvidiaFields.length)
    .map(([index, name, mebibytes, driver, computeCapability]) => ({
      index,
      name,
      memoryBytes: Number(mebibytes) * 2 ** 20,
      driver,
      computeCapability,
    }));
  const visible = environment["CUDA_VISIBLE_DEVICES"]?.split(",").map((each) => each.trim());
  // Other names than indices (UUIDs, MIG devices) are CUDA's business: each counts as the GPU at its place.
  return visible === undefined
    ? all
    : visible.filter(Boolean).flatMap((name, place) => {
        const known = all.find(({ index }) => index === name) ?? (/^\d+$|^-/.test(name) ? undefined : all[place]);
        return known === undefined ? [] : [{ ...known, index: name }];
      });
}

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

/** Devices that Vulkan offers; none without its loader. */
export async function vulkanDevices(): Promise<readonly VulkanDevice[]> {
  const { default: koffi } = await import("koffi");
  let vulkan: ReturnType<typeof koffi.load>;
  try {
    vulkan = koffi.load(platform() === "win32" ? "vulkan-1.dll" : "libvulkan.so.1");
  } catch {
    return [];
  }
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
