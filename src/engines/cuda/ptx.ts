/**
 * Has the driver compile kernels for the GPU that there is. That takes up to a second
 * or two a kernel until the driver has them in its own cache, so several threads share
 * them. A kernel's handle is the process's: whichever thread loaded it, all launch it.
 */
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { cores } from "../cores.ts";
import { packageRoot } from "../sources.ts";
import { DriverError, pointer, type DriverLibrary, type Pointer } from "./driver.ts";
import { entryOf, ptxOf } from "./sources.ts";

/** How kernels are loaded. */
export interface LoadOptions {
  /** The driver's library as openLibrary was given it. */
  readonly path?: string | undefined;
  /** Threads to load with, at most; by default as many as there are cores. */
  readonly threads?: number;
  /** Called when it takes longer than a second. */
  readonly onSlow?: () => void;
}

/** A kernel and its PTX: what a thread is given. */
export interface KernelPtx {
  readonly kernel: string;
  readonly ptx: string;
}
/** What a thread answers: a kernel's handle, or why there is none. */
export type Answer = { readonly kernel: string; readonly handle: Pointer } | { readonly error: string };

/** The driver compiles on one core for each thread; more than these have nothing to do in a run of about 14 kernels. */
const mostThreads = 8;
/** So few kernels are loaded in less time than threads take to start. */
const fewKernels = 3;

/** The thread's file as it is built, from wherever this one runs: threads run JavaScript. */
const threadEntry = (): string => join(packageRoot(), "dist/src/engines/cuda/compile-worker.js");

/** Handles of kernels by name, in the context that is this thread's in `library`; rejects with what the driver says of the first that it refuses. */
export async function loadKernels(
  library: DriverLibrary,
  kernels: readonly string[],
  { path, threads = cores(), onSlow }: LoadOptions = {},
): Promise<ReadonlyMap<string, Pointer>> {
  const timer = setTimeout(() => onSlow?.(), 1000);
  try {
    // Its first line names the sources of all kernels; without it, the driver's cache knows a kernel that did not change.
    const texts = [...new Set(kernels)].map((kernel): KernelPtx => ({ kernel, ptx: ptxOf(kernel).replace(/^.*\n/, "") }));
    // The longest first, so that no thread begins with it when the others are done.
    texts.sort((a, b) => b.ptx.length - a.ptx.length);
    const count = Math.min(threads, mostThreads, texts.length);
    return await (count === 1 || texts.length <= fewKernels ? loadHere(library, texts) : loadInThreads(path, texts, count));
  } finally {
    clearTimeout(timer);
  }
}

async function loadHere(library: DriverLibrary, texts: readonly KernelPtx[]): Promise<ReadonlyMap<string, Pointer>> {
  const load = kernelLoader(library);
  const loaded = new Map<string, Pointer>();
  for (const text of texts) {
    loaded.set(text.kernel, load(text));
    await setImmediate(); // timers have their turn
  }
  return loaded;
}

/** Each thread is given the next kernel whenever it is done with one. */
async function loadInThreads(path: string | undefined, texts: readonly KernelPtx[], count: number): Promise<ReadonlyMap<string, Pointer>> {
  const waiting = [...texts];
  const loaded = new Map<string, Pointer>();
  const thread = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(threadEntry(), { workerData: path });
      const fail = (error: Error): void => {
        waiting.length = 0;
        reject(error);
      };
      const goOn = (): void => worker.postMessage(waiting.shift()); // undefined when there are no more
      worker.on("message", (answer: Answer) => {
        if ("error" in answer) fail(new Error(answer.error));
        else loaded.set(answer.kernel, answer.handle);
        goOn();
      });
      worker.on("error", fail);
      worker.on("exit", () => (waiting.length > 0 ? fail(new Error("a thread that loads kernels ended early")) : resolve()));
      goOn();
    });
  // Whatever happens, no thread is left in the driver.
  const ends = await Promise.allSettled(Array.from({ length: count }, thread));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
  return loaded;
}

/** cuModuleLoadDataEx's options: CU_JIT_ERROR_LOG_BUFFER and CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES. */
const logOptions = [5, 6] as const;

/** Loads kernels into the context that is the calling thread's, and fails with the driver's words. */
export function kernelLoader(library: DriverLibrary): (text: KernelPtx) => Pointer {
  const loadModule = library.call("int cuModuleLoadDataEx(_Out_ uintptr_t *, const char *, uint32_t, void *, void *)");
  const getFunction = library.call("int cuModuleGetFunction(_Out_ uintptr_t *, uintptr_t, const char *)");
  return ({ kernel, ptx }) => {
    const log = Buffer.alloc(4096);
    const [options, values] = [Int32Array.from(logOptions), BigInt64Array.of(library.addressOf(log), BigInt(log.length))];
    try {
      const module = pointer((out) => loadModule(out, ptx, options.length, options, values));
      // Drivers that load lazily load with this call, and not with the first launch.
      return pointer((out) => getFunction(out, module, entryOf(kernel)));
    } catch (error) {
      if (!(error instanceof DriverError)) throw error;
      const words = log.toString("utf8", 0, log.indexOf(0)).trim();
      throw new Error(`the driver cannot load the kernel ${kernel}: ${error.message}${words && `; it says: ${words}`}`, { cause: error });
    }
  };
}
