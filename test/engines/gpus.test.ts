/** What is made of the drivers' own listings; the listing itself is a file in nvidia-smi's format. */
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { hasTf32, nvidiaGpus } from "../../src/engines/gpus.ts";
import { engines } from "../../src/engines/registry.ts";
import { isTooOldFor } from "../../src/report/doctor.ts";
import { temporaryFolder } from "../support/folder.ts";

const listing = [
  "0, GPU-aaaa-1111, NVIDIA H200, 143771, 570.86.15, 9.0",
  "1, GPU-bbbb-2222, NVIDIA H200, 143771, 570.86.15, 9.0",
  "2, GPU-cccc-3333, NVIDIA T4, 15360, 570.86.15, 7.5",
];
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
      ...{ uuid: "GPU-aaaa-1111", name: "NVIDIA H200", memoryBytes: 143771 * 2 ** 20 },
      ...{ driver: "570.86.15", computeCapability: "9.0" },
    });
  });
  it("are those that CUDA_VISIBLE_DEVICES leaves, in its order", () => {
    const visible = (CUDA_VISIBLE_DEVICES: string): readonly string[] =>
      nvidiaGpus({ ...environment, CUDA_VISIBLE_DEVICES }).map(({ uuid, name }) => `${uuid} ${name}`);
    expect(visible("2,0")).toEqual(["GPU-cccc-3333 NVIDIA T4", "GPU-aaaa-1111 NVIDIA H200"]);
    expect(visible("")).toEqual([]);
    expect(visible("-1")).toEqual([]);
    expect(visible("7")).toEqual([]);
    expect(visible("GPU-bbbb")).toEqual(["GPU-bbbb-2222 NVIDIA H200"]);
    expect(visible("1,9,0")).toEqual(["GPU-bbbb-2222 NVIDIA H200"]);
    expect(visible("MIG-8932f937")).toEqual([]);
  });
  it("are none without a driver", () => expect(nvidiaGpus({ PATH: folder + "/nowhere" })).toEqual([]));

  it("get a worker each, which sees no other", () => {
    const alone = ["GPU-aaaa-1111", "GPU-bbbb-2222", "GPU-cccc-3333"].map((uuid) => ({ CUDA_VISIBLE_DEVICES: uuid }));
    expect(engines.cuda.workers(host, "float32")).toMatchObject(alone);
    expect(engines.cuda.workers(host, "mixed")).toEqual(engines.cuda.workers(host, "float32"));
    expect(engines.tfjs.workers(host, "mixed")).toMatchObject(alone);
    expect(engines.tfjs.workers(host, "mixed")[2]).toMatchObject({ TF_FORCE_GPU_ALLOW_GROWTH: "true" });
  });
  it("do not round the float32 of CUDA's libraries to TF32", () => {
    for (const each of engines.tfjs.workers(host, "float32")) expect(each["NVIDIA_TF32_OVERRIDE"]).toBe("0");
    for (const each of engines.tfjs.workers(host, "mixed")) expect(each).not.toHaveProperty("NVIDIA_TF32_OVERRIDE");
  });
  it("are all that cuda waits for before it is tried", async () => {
    expect(await engines.cuda.hopeless(host)).toBeUndefined();
    const without = { cache: folder, environment: { PATH: folder + "/nowhere" } };
    expect(await engines.cuda.hopeless(without)).toBe("no NVIDIA GPU");
    expect(engines.cuda.workers(without, "float32")).toEqual([{ CUDA_MODULE_LOADING: "EAGER" }]);
  });
  it("are not needed for cuda where the driver's library is, unless GPUs are hidden", async () => {
    const [PATH, library] = [folder + "/nowhere", process.platform === "linux" ? "libc.so.6" : undefined]; // any that can be loaded
    const hopeless = (CUDA_VISIBLE_DEVICES: string | undefined): Promise<string | undefined> =>
      engines.cuda.hopeless({ cache: folder, environment: { PATH, MUTRANSFER_LIBCUDA: library, CUDA_VISIBLE_DEVICES } });
    if (library === undefined) return;
    expect(await Promise.all([undefined, "0", "MIG-8932f937"].map(hopeless))).toEqual([undefined, undefined, undefined]);
    expect(await Promise.all(["", "-1"].map(hopeless))).toEqual(["no NVIDIA GPU", "no NVIDIA GPU"]);
  });
  it("round to TF32 from compute capability 8.0 on", () => expect(nvidiaGpus(environment).map(hasTf32)).toEqual([true, true, false]));
  it("a libtensorflow built before them is told from one that is not", () => {
    const hopper = nvidiaGpus(environment);
    expect(isTooOldFor("@tensorflow/tfjs-node-gpu 4.22.0 (libtensorflow 2.9.1)", hopper)).toBe(true);
    expect(isTooOldFor("@tensorflow/tfjs-node-gpu 4.22.0 (libtensorflow 2.21.0)", hopper)).toBe(false);
    expect(isTooOldFor("@tensorflow/tfjs-node 4.22.0 (libtensorflow 2.9.1)", hopper)).toBe(false);
    expect(isTooOldFor("@tensorflow/tfjs-node-gpu 4.22.0 (libtensorflow 2.9.1)", [{ computeCapability: "8.6" }])).toBe(false);
    expect(isTooOldFor("@tensorflow/tfjs-backend-cpu 4.22.0", hopper)).toBe(false);
  });
});
