/**
 * The kernels as WebAssembly, for systems without a compiler or a prebuilt library:
 * one thread, vectors of four floats, memory of at most 4 GiB. Arrays that are not
 * allocated here are copied in before a call and out after it.
 */
import { readFileSync } from "node:fs";
import { EngineUnavailable } from "../engine.ts";
import { callFields } from "./header.ts";
import type { AlignedFloats, Library } from "./library.ts";

/** The part that is used here of the runtime's own types, which TypeScript has for browsers only. */
declare const WebAssembly: {
  compile(bytes: Uint8Array): Promise<object>;
  instantiate(module: object, imports: object): Promise<{ readonly exports: object }>;
};

/** What the module exports, see kernels.c. Pointers are 32 bits. */
interface Kernels {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  readonly __heap_base: { readonly value: number };
  arithmetic(): number;
  scratch_floats(context: bigint, headDim: bigint): bigint;
  run_call(call: number): number;
}

const pageBytes = 65_536;
const lineBytes = 64;

class Memory {
  private readonly kernels: Kernels;
  private end: number;

  constructor(kernels: Kernels) {
    this.kernels = kernels;
    this.end = kernels.__heap_base.value;
  }

  get buffer(): ArrayBuffer {
    return this.kernels.memory.buffer;
  }

  /** Address of so many bytes on a cache line, whatever they hold. */
  take(bytes: number): number {
    const address = Math.ceil(this.end / lineBytes) * lineBytes;
    this.end = address + bytes;
    const pages = Math.ceil((this.end - this.buffer.byteLength) / pageBytes);
    if (pages > 0) {
      try {
        this.kernels.memory.grow(pages);
      } catch {
        throw new Error(`not enough memory: WebAssembly has 4 GiB, and ${(this.end / 2 ** 30).toPrecision(2)} GiB are needed`);
      }
    }
    return address;
  }

  get mark(): number {
    return this.end;
  }
  giveBack(mark: number): void {
    this.end = mark;
  }
}

/** Compiles the module at `path`; what is returned makes a library with a memory of its own, which goes with the library. */
export async function loadModule(path: string): Promise<() => Promise<Library>> {
  try {
    const module = await WebAssembly.compile(readFileSync(path));
    return () => instantiate(module);
  } catch (error) {
    throw new EngineUnavailable(`the WebAssembly kernels cannot be loaded: ${(error as Error).message}`);
  }
}

async function instantiate(module: object): Promise<Library> {
  // A thread that waits for others would yield; here it is alone.
  const instance = await WebAssembly.instantiate(module, { wasi_snapshot_preview1: { sched_yield: () => 0 } });
  const kernels = instance.exports as unknown as Kernels;
  const memory = new Memory(kernels);
  const lent: { readonly address: number; readonly array: Uint8Array }[] = [];
  let beforeLending = memory.mark;
  return {
    build: textAt(memory.buffer, kernels.arithmetic()),
    hasMixed: false,
    scratchFloats: (context, headDim) => Number(kernels.scratch_floats(BigInt(context), BigInt(headDim))),
    allocate: (length) => {
      const floats = floatsAt(memory, memory.take(4 * length + lineBytes), length);
      floats.values.fill(0); // what was lent before lay here
      return floats;
    },
    addressOf: (values) => {
      if (lent.length === 0) beforeLending = memory.mark;
      const array = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      const address = memory.take(array.length);
      new Uint8Array(memory.buffer).set(array, address);
      lent.push({ address, array });
      return BigInt(address);
    },
    run: (call) => {
      const words = BigInt64Array.from(callFields, (field) => call[field]);
      const address = memory.take(words.byteLength);
      new BigInt64Array(memory.buffer, address, words.length).set(words);
      try {
        kernels.run_call(address); // it starts no threads, which is all that can fail
        for (const each of lent) each.array.set(new Uint8Array(memory.buffer, each.address, each.array.length));
      } finally {
        lent.length = 0;
        memory.giveBack(beforeLending);
      }
      return Promise.resolve();
    },
  };
}

/** Growing replaces the memory's buffer, so the view is made anew at each use. */
const floatsAt = (memory: Memory, address: number, length: number): AlignedFloats => ({
  address: BigInt(address),
  get values() {
    return new Float32Array(memory.buffer, address, length);
  },
});

function textAt(buffer: ArrayBuffer, address: number): string {
  const bytes = new Uint8Array(buffer, address);
  return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
}
