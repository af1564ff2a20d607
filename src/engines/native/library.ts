/** Compiled kernels as functions: addresses in, numbers out. */
import type { KoffiFunc } from "koffi";
import { EngineUnavailable } from "../engine.ts";
import { callFields } from "./header.ts";

/** The fields of a call, as its struct has them. */
export type CallField = (typeof callFields)[number];

/** Floats that start on a cache line, with their address. */
export interface AlignedFloats {
  readonly values: Float32Array;
  readonly address: bigint;
}

/** Kernels that are loaded, whatever form they have. */
export interface Library {
  /** The vector unit and the compiler that the kernels were built for and with: they decide how sums are rounded. */
  readonly build: string;
  /** Floats of scratch that one thread needs. */
  scratchFloats(context: number, headDim: number): number;
  /** Whether products of rounded operands differ from float32's on this CPU. */
  readonly hasMixed: boolean;
  /** Zeros, in large pages where the system has them. */
  allocate(length: number): AlignedFloats;
  addressOf(values: ArrayBufferView): bigint;
  /** Runs a call on a thread of its own; the caller keeps everything it points to alive until then. */
  run(call: Readonly<Record<CallField, bigint>>): Promise<void>;
}

/** Kernels in a shared library of the system's. */
export interface SystemLibrary extends Library {
  /** Seconds that `repeats` products of n×n matrices take one thread. */
  timeProduct(n: number, repeats: number): number;
}

/** Loads the library at `path`, whose functions end in `suffix`; throws EngineUnavailable when koffi or the library cannot be loaded. */
export async function loadLibrary(path: string, suffix = ""): Promise<SystemLibrary> {
  try {
    const { default: koffi } = await import("koffi");
    const loaded = koffi.load(path);
    const scratchFloats = loaded.func(`int64_t scratch_floats${suffix}(int64_t, int64_t)`) as Library["scratchFloats"];
    const useLargePages = loaded.func(`void use_large_pages${suffix}(void *, int64_t)`) as (memory: bigint, bytes: number) => void;
    const runCall = loaded.func(`int32_t run_call${suffix}(void *)`) as KoffiFunc<(call: BigInt64Array) => number>;
    const timeProduct = loaded.func(`double time_product${suffix}(int64_t, int64_t, void *, void *, void *, void *)`) as (
      ...values: readonly (number | bigint)[]
    ) => number;
    const allocate = (length: number): AlignedFloats => {
      const storage = new ArrayBuffer(4 * length + 64);
      const start = koffi.address(storage);
      const offset = Number(-start & 63n);
      useLargePages(start, storage.byteLength);
      return { values: new Float32Array(storage, offset, length), address: start + BigInt(offset) };
    };
    return {
      build: (loaded.func(`const char *arithmetic${suffix}(void)`) as () => string)(),
      scratchFloats,
      hasMixed: (loaded.func(`int32_t has_mixed${suffix}(void)`) as () => number)() !== 0,
      allocate,
      addressOf: (values) => koffi.address(values),
      run: (call) =>
        new Promise((resolve, reject) => {
          const words = BigInt64Array.from(callFields, (field) => call[field]);
          runCall.async(words, (error: Error | null, code: number) => {
            void words; // alive until here
            if (error) reject(error);
            else if (code === 0) resolve();
            else reject(new Error(`the native engine could not start its threads (error ${code})`));
          });
        }),
      timeProduct: (n, repeats) => {
        const [a, b, c, scratch] = [allocate(n * n), allocate(n * n), allocate(n * n), allocate(scratchFloats(1, 1))] as const;
        a.values.fill(0.5);
        b.values.fill(0.25);
        return timeProduct(n, repeats, a.address, b.address, c.address, scratch.address);
      },
    };
  } catch (error) {
    throw new EngineUnavailable(`the native engine cannot be loaded: ${(error as Error).message}`);
  }
}
