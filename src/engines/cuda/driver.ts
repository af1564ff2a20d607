/**
 * NVIDIA's driver through koffi: the calls that the engine makes, each failing with
 * the driver's own name for the error. Which kernels there are and what they are for is
 * not known here.
 */
import { setImmediate, setTimeout } from "node:timers/promises";
import { EngineUnavailable } from "../engine.ts";
import { cudaLibraries } from "../gpus.ts";

/** A handle or an address on the device. */
export type Pointer = bigint;
/** How many blocks a kernel is launched with, in each direction. */
export type Grid = readonly [number, number, number];

/** The driver's name for having no memory left, on which others may only be lucky later. */
export const outOfMemory = "CUDA_ERROR_OUT_OF_MEMORY";

/** A failed call of the driver. It has no `code`: errors that have one are the system's, and those a sweep does not go on after. */
export class DriverError extends Error {
  constructor(call: string, code: string, text: string) {
    super(`${call}: ${code}${text === "" || text === code ? "" : ` (${text})`}`);
  }
}

/** The driver's functions by prototype. */
export interface DriverLibrary {
  /** A function that throws DriverError when the call does not return 0. */
  readonly call: (prototype: string) => (...values: readonly unknown[]) => void;
  /** A function that returns the driver's code. */
  readonly code: (prototype: string) => (...values: readonly unknown[]) => number;
  readonly errorOf: (call: string, code: number) => DriverError;
  readonly addressOf: (memory: ArrayBuffer | ArrayBufferView) => bigint;
}

/** The first of the driver's libraries that can be loaded, or the one at `path`; throws EngineUnavailable when there is none. */
export async function openLibrary(path?: string): Promise<DriverLibrary> {
  const reasons: string[] = [];
  const paths = path ? [path] : cudaLibraries;
  for (const each of paths) {
    try {
      const { default: koffi } = await import("koffi");
      const library = koffi.load(each);
      const describe = (name: string): ((code: number) => string) => {
        const made = library.func(`int ${name}(int, _Out_ const char **)`) as (code: number, out: [string | null]) => number;
        return (code) => {
          const out: [string | null] = [null];
          return made(code, out) === 0 ? (out[0] ?? "") : "";
        };
      };
      const [nameOf, textOf] = [describe("cuGetErrorName"), describe("cuGetErrorString")];
      const errorOf = (call: string, code: number): DriverError => new DriverError(call, nameOf(code) || `error ${code}`, textOf(code));
      const code = (prototype: string): ((...values: readonly unknown[]) => number) => {
        try {
          return library.func(prototype) as (...values: readonly unknown[]) => number;
        } catch (error) {
          throw new EngineUnavailable(`the cuda engine needs a newer NVIDIA driver, 470 or later: ${(error as Error).message}`);
        }
      };
      return {
        code,
        errorOf,
        addressOf: (memory) => koffi.address(memory),
        call: (prototype) => {
          const made = code(prototype);
          const name = /\w+(?=\()/.exec(prototype)?.[0] ?? prototype;
          return (...values) => {
            const result = made(...values);
            if (result !== 0) throw errorOf(name, result);
          };
        },
      };
    } catch (error) {
      reasons.push(`${each}: ${(error as Error).message}`);
    }
  }
  throw new EngineUnavailable(`the cuda engine needs an NVIDIA GPU and its driver: ${reasons.join("; ")}`);
}

/** The value that a call writes through its first argument. */
function made<T extends number | bigint>(zero: T, call: (out: [T]) => void): T {
  const out: [T] = [zero];
  call(out);
  return out[0];
}
/** The handle or the address that a call writes through its first argument. */
export const pointer = (call: (out: [bigint | number]) => void): Pointer => BigInt(made<bigint | number>(0n, call));

/** The driver's context on one device. */
export interface DriverContext {
  readonly device: number;
  readonly handle: Pointer;
}

/** Makes the first visible device's primary context this thread's; throws EngineUnavailable when there is no device. */
export function enterContext(library: DriverLibrary): DriverContext {
  try {
    library.call("int cuInit(uint32_t)")(0);
    const device = made(0, (out) => library.call("int cuDeviceGet(_Out_ int *, int)")(out, 0));
    const handle = pointer((out) => library.call("int cuDevicePrimaryCtxRetain(_Out_ uintptr_t *, int)")(out, device));
    library.call("int cuCtxSetCurrent(uintptr_t)")(handle);
    return { device, handle };
  } catch (error) {
    if (error instanceof DriverError && !error.message.includes(outOfMemory))
      throw new EngineUnavailable(`the cuda engine cannot use NVIDIA's driver: ${error.message}`);
    throw error;
  }
}

/** Recorded launches that are run again and again as one. */
export interface Graph {
  run(): void;
  dispose(): void;
}

/** What the engine asks of the driver, on one device. */
export interface Driver {
  readonly library: DriverLibrary;
  readonly name: string;
  /** CUDA's version that the driver speaks, such as 12.4. */
  readonly version: string;
  readonly memoryBytes: number;
  /** Compute capability, such as 90. */
  readonly capability: number;
  readonly multiprocessors: number;
  allocate(bytes: number): Pointer;
  free(memory: Pointer): void;
  upload(to: Pointer, from: ArrayBufferView): void;
  download(to: ArrayBufferView, from: Pointer): void;
  clear(memory: Pointer, words: number): void;
  launch(kernel: Pointer, grid: Grid, threads: number, parameters: ArrayBuffer): void;
  /** Records what `body` launches, without running it. */
  capture(body: () => void): Graph;
  /** Resolves when everything launched so far is done; rejects with what went wrong on the device. */
  finished(): Promise<void>;
}

/** The oldest driver that has every call, 470, by the version of CUDA that it states. */
const oldestVersion = 11_040;
const dotted = (version: number): string => `${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`;

const attributes = { multiprocessors: 16, major: 75, minor: 76 } as const;
const [captureRelaxed, notReady] = [2, 600];
/** Times that a call which has just begun is looked at, some microseconds apart: a short one must not wait for a timer's millisecond. */
const eagerPolls = 5000;
/** cuLaunchKernel's `extra`: CU_LAUNCH_PARAM_BUFFER_POINTER, …, CU_LAUNCH_PARAM_BUFFER_SIZE, …, CU_LAUNCH_PARAM_END. */
const [bufferPointer, bufferSize, end] = [1n, 2n, 0n];

/** The first device that CUDA_VISIBLE_DEVICES leaves; throws EngineUnavailable where there is none, or its driver is too old. */
export function openDriver(library: DriverLibrary): Driver {
  const { device } = enterContext(library);
  const { call } = library;
  const version = made(0, (out) => call("int cuDriverGetVersion(_Out_ int *)")(out));
  if (version < oldestVersion)
    throw new EngineUnavailable(
      `the cuda engine needs an NVIDIA driver for CUDA ${dotted(oldestVersion)} (470) or newer; this one is for ${dotted(version)}`,
    );
  const nameBytes = Buffer.alloc(256);
  call("int cuDeviceGetName(void *, int, int)")(nameBytes, nameBytes.length, device);
  const totalMemory = call("int cuDeviceTotalMem_v2(_Out_ size_t *, int)");
  const deviceAttribute = call("int cuDeviceGetAttribute(_Out_ int *, int, int)");
  const attribute = (which: number): number => made(0, (out) => deviceAttribute(out, which, device));
  const allocate = call("int cuMemAlloc_v2(_Out_ uint64_t *, size_t)");
  const free = call("int cuMemFree_v2(uint64_t)");
  const toDevice = call("int cuMemcpyHtoD_v2(uint64_t, void *, size_t)");
  const toHost = call("int cuMemcpyDtoH_v2(void *, uint64_t, size_t)");
  const set = call("int cuMemsetD32_v2(uint64_t, uint32_t, size_t)");
  const beginCapture = call("int cuStreamBeginCapture_v2(uintptr_t, int)");
  const endCapture = call("int cuStreamEndCapture(uintptr_t, _Out_ uintptr_t *)");
  const instantiate = call("int cuGraphInstantiateWithFlags(_Out_ uintptr_t *, uintptr_t, uint64_t)");
  const destroyGraph = call("int cuGraphDestroy(uintptr_t)");
  const destroyInstance = call("int cuGraphExecDestroy(uintptr_t)");
  const launchGraph = call("int cuGraphLaunch(uintptr_t, uintptr_t)");
  const query = library.code("int cuStreamQuery(uintptr_t)");
  const launchKernel = call(
    "int cuLaunchKernel(uintptr_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uintptr_t, void *, void *)",
  );
  // A stream that waits for the default one (flag 0): copies and memsets may return before they reach the device.
  const stream = pointer((out) => call("int cuStreamCreate(_Out_ uintptr_t *, uint32_t)")(out, 0));
  return {
    library,
    name: nameBytes.toString("utf8", 0, nameBytes.indexOf(0)),
    version: dotted(version),
    memoryBytes: Number(made<bigint | number>(0, (out) => totalMemory(out, device))),
    capability: 10 * attribute(attributes.major) + attribute(attributes.minor),
    multiprocessors: attribute(attributes.multiprocessors),
    allocate: (bytes) => pointer((out) => allocate(out, bytes)),
    free: (memory) => free(memory),
    upload: (to, from) => toDevice(to, from, from.byteLength),
    download: (to, from) => toHost(to, from, to.byteLength),
    clear: (memory, words) => set(memory, 0, words),
    launch: (kernel, [x, y, z], threads, parameters) => {
      const extra = new BigInt64Array(6);
      const size = library.addressOf(extra) + 40n; // its last word
      extra.set([bufferPointer, library.addressOf(parameters), bufferSize, size, end, BigInt(parameters.byteLength)]);
      launchKernel(kernel, x, y, z, threads, 1, 1, 0, stream, null, extra);
    },
    capture: (body) => {
      beginCapture(stream, captureRelaxed);
      try {
        body();
      } catch (error) {
        library.code("int cuStreamEndCapture(uintptr_t, _Out_ uintptr_t *)")(stream, [0n]); // else the stream captures on
        throw error;
      }
      const graph = pointer((out) => endCapture(stream, out));
      try {
        const instance = pointer((out) => instantiate(out, graph, 0));
        return { run: () => launchGraph(instance, stream), dispose: () => destroyInstance(instance) };
      } finally {
        destroyGraph(graph);
      }
    },
    finished: async () => {
      for (let polls = 0, code = query(stream); code !== 0; polls++, code = query(stream)) {
        if (code !== notReady) throw library.errorOf("cuStreamQuery", code);
        await (polls < eagerPolls ? setImmediate() : setTimeout(1));
      }
    },
  };
}
