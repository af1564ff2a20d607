/** What is made of the drivers' own listings; the listing itself is a file in nvidia-smi's format. */
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { nvidiaGpus } from "../../src/engines/gpus.ts";
import { engines } from "../../src/engines/registry.ts";
import { isTooOldFor } from "../../src/report/doctor.ts";
import { temporaryFolder } from "../support/folder.ts";

const listing = ["0, NVIDIA H200, 143771, 570.86.15, 9.0", "1, NVIDIA H200, 143771, 570.86.15, 9.0", "2, NVIDIA L4, 23034, 570.86.15, 8.9"];
const folder = temporaryFolder();
const script = join(folder, "nvidia-smi");
writeFileSync(script, `#!/bin/sh\nprintf '${listing.join("\\n")}\\n'\n`);
chmodSync(script, 0o755);
const environment = { PATH: `${folder}:/bin:/usr/bin` };
const host = { cache: folder, environment };

describe("NVIDIA GPUs", () => {
  it("are read from nvidia-smi", () => {
    const gpus = nvidiaGpus(environment);
    expect(gpus).toHaveLength(3);
    expect(gpus[0]).toEqual({
      ...{ index: "0", name: "NVIDIA H200", memoryBytes: 143771 * 2 ** 20 },
      ...{ driver: "570.86.15", computeCapability: "9.0" },
    });
  });
  it("are those that CUDA_VISIBLE_DEVICES leaves, in its order", () => {
    const visible = (CUDA_VISIBLE_DEVICES: string): readonly string[] =>
      nvidiaGpus({ ...environment, CUDA_VISIBLE_DEVICES }).map(({ index, name }) => `${index} ${name}`);
    expect(visible("2,0")).toEqual(["2 NVIDIA L4", "0 NVIDIA H200"]);
    expect(visible("")).toEqual([]);
    expect(visible("-1")).toEqual([]);
    expect(visible("7")).toEqual([]);
    expect(visible("GPU-8932f937")).toEqual(["GPU-8932f937 NVIDIA H200"]);
  });
  it("are none without a driver", () => expect(nvidiaGpus({ PATH: folder + "/nowhere" })).toEqual([]));

  it("get a worker each, which sees no other; float32 is not rounded to TF32", () => {
    expect(engines.cuda.workers(host, "float32")).toEqual([
      { NVIDIA_TF32_OVERRIDE: "0", CUDA_VISIBLE_DEVICES: "0" },
      { NVIDIA_TF32_OVERRIDE: "0", CUDA_VISIBLE_DEVICES: "1" },
      { NVIDIA_TF32_OVERRIDE: "0", CUDA_VISIBLE_DEVICES: "2" },
    ]);
    expect(engines.cuda.workers(host, "mixed")[1]).toEqual({ CUDA_VISIBLE_DEVICES: "1" });
    expect(engines.tfjs.workers(host, "float32")[2]).toMatchObject({ CUDA_VISIBLE_DEVICES: "2", TF_FORCE_GPU_ALLOW_GROWTH: "true" });
  });
  it("a libtensorflow built before them is told from one that is not", () => {
    const hopper = nvidiaGpus(environment);
    expect(isTooOldFor("@tensorflow/tfjs-node-gpu 4.22.0 (libtensorflow 2.9.1)", hopper)).toBe(true);
    expect(isTooOldFor("@tensorflow/tfjs-node-gpu 4.22.0 (libtensorflow 2.21.0)", hopper)).toBe(false);
    expect(isTooOldFor("@tensorflow/tfjs-node-gpu 4.22.0 (libtensorflow 2.9.1)", [{ computeCapability: "8.6" }])).toBe(false);
    expect(isTooOldFor("@tensorflow/tfjs-backend-cpu 4.22.0", hopper)).toBe(false);
  });
});
