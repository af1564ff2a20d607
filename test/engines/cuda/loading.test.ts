/** Kernels are loaded here or by threads, and what a thread has loaded is the process's: on the stand-in for NVIDIA's driver. */
import { describe, expect, it, vi } from "vitest";
import { openDriver, openLibrary } from "../../../src/engines/cuda/driver.ts";
import { kernels, kernelText } from "../../../src/engines/cuda/kernels.ts";
import { loadKernels } from "../../../src/engines/cuda/ptx.ts";
import { standIn } from "../../support/stand-in.ts";

const names = ["add", "gelu", "sumParts", "multiplyElements", "adamw", "advance"];
const units = (of: readonly string[]): Record<string, string> => Object.fromEntries(of.map((name) => [name, kernelText(name)]));
const { library: path, missing } = await standIn({ units: units(names) });

/** Counts a step on the device with this kernel. */
async function countStep(driver: ReturnType<typeof openDriver>, kernel: bigint): Promise<number> {
  const step = driver.allocate(4);
  driver.upload(step, Int32Array.of(41));
  const parameters = new ArrayBuffer(136 + 4); // Run and Advance, see common.cuh
  new BigInt64Array(parameters, 0, 17)[10] = step;
  driver.launch(kernel, [1, 1, 1], kernels["advance"].threads, parameters);
  await driver.finished();
  const after = new Int32Array(1);
  driver.download(after, step);
  driver.free(step);
  return after[0];
}

describe.skipIf(path === undefined)(`loading kernels${missing === undefined ? "" : ` (not tried: ${missing})`}`, () => {
  it.each([1, 2, 20])("works with up to %i threads, again and again, and what is loaded runs", async (threads) => {
    const library = await openLibrary(path);
    const driver = openDriver(library);
    let slow = 0;
    for (let round = 0; round < 3; round++) {
      const loaded = await loadKernels(library, [...names, ...names], { path, threads, onSlow: () => slow++ });
      expect([...loaded.keys()].sort()).toEqual([...names].sort());
      expect(await countStep(driver, loaded.get("advance") ?? 0n)).toBe(42);
    }
    expect(slow).toBe(0);
  });

  it("starts no thread for a few, and does nothing for none", async () => {
    const library = await openLibrary(path);
    openDriver(library);
    // Threads could not open this.
    expect((await loadKernels(library, ["add", "gelu"], { path: "/nowhere/libcuda.so" })).size).toBe(2);
    expect((await loadKernels(library, [], { path: "/nowhere/libcuda.so" })).size).toBe(0);
    await expect(loadKernels(library, names, { path: "/nowhere/libcuda.so", threads: 2 })).rejects.toThrow(
      /needs an NVIDIA GPU and its driver/,
    );
  });

  it("says that it takes long, once", async () => {
    const library = await openLibrary(path);
    openDriver(library);
    const onSlow = vi.fn();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const loading = loadKernels(library, names, { path, threads: 2, onSlow });
      vi.advanceTimersByTime(990);
      expect(onSlow).not.toHaveBeenCalled();
      vi.advanceTimersByTime(5000);
      await loading;
    } finally {
      vi.useRealTimers();
    }
    expect(onSlow).toHaveBeenCalledOnce();
  });

  it.each([1, 4])("says which kernel the driver refuses, and why, with %i threads", async (threads) => {
    const { library: lesser } = await standIn({ units: units(names.filter((name) => name !== "gelu")) });
    const library = await openLibrary(lesser);
    openDriver(library);
    await expect(loadKernels(library, names, { path: lesser, threads })).rejects.toThrow(
      /^the driver cannot load the kernel gelu: cuModuleGetFunction: CUDA_ERROR_NOT_FOUND \(.+\)$/,
    );
  });
});
