/** The CPU engine of this machine's tests: a clone has the native one where there is a C compiler, and CI must. */
import { engineHost } from "../../src/cache.ts";
import { EngineUnavailable, type EngineName } from "../../src/engines/engine.ts";
import { engines } from "../../src/engines/registry.ts";

export const hasNative: boolean = await engines.native.open(engineHost()).then(
  () => true,
  (error: unknown) => {
    if (error instanceof EngineUnavailable && !process.env["MUTRANSFER_CI"]) return false;
    throw error;
  },
);
export const cpuEngine: EngineName = hasNative ? "native" : "onnxruntime";
