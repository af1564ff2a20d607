import { createRequire } from "node:module";
import { describe, expect, it } from "vitest";
import { engineHost } from "../../src/cli/cache.ts";
import { FusedAlgebra } from "../../src/engines/onnxruntime/algebra.ts";
import { ScanningExecutable } from "../../src/engines/onnxruntime/scanning.ts";
import { Sessions, type Provider, type Runtime } from "../../src/engines/onnxruntime/sessions.ts";
import { engines } from "../../src/engines/registry.ts";
import { cpuDevice } from "../../src/engines/engine.ts";
import { nvidiaGpus } from "../../src/engines/gpus.ts";
import { missingCudaProvider } from "../../src/engines/onnxruntime/installed.ts";
import { engineConformance } from "./suite.ts";

engineConformance("onnxruntime", () => engines.onnxruntime.open(engineHost()), { threaded: true });

// The very graphs that the CUDA provider is given, carried out by the CPU provider: all of the cuda engine but its device.
const runtime = createRequire(import.meta.url)("onnxruntime-node") as Runtime;
engineConformance(
  "the cuda engine's graphs on the CPU",
  () =>
    Promise.resolve({
      name: "cuda",
      version: "",
      device: cpuDevice(),
      compile: async (program, { threads }) => {
        const provider: Provider = { name: "cpu", algebra: FusedAlgebra, timeMajor: false };
        const executable = new ScanningExecutable(new Sessions(runtime, provider, threads), program, provider);
        await executable.compile();
        return executable;
      },
    }),
  { threaded: true },
);

const missing = nvidiaGpus(process.env).length === 0 ? "no NVIDIA GPU" : missingCudaProvider();
engineConformance("cuda", () => engines.cuda.open(engineHost()), { threaded: false, missing });

describe.skipIf(missing === undefined)("the cuda engine without its device", () => {
  it("says which piece is missing", async () => {
    await expect(engines.cuda.open(engineHost())).rejects.toThrow(/needs an NVIDIA GPU|fetch them with: node .*install\.js/);
  });
});
