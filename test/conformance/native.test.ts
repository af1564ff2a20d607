import { existsSync, readFileSync } from "node:fs";
import { arch } from "node:os";
import { describe, expect, it } from "vitest";
import { engineHost } from "../../src/cache.ts";
import { trainingStep } from "../../src/model/step.ts";
import { engines } from "../../src/engines/registry.ts";
import { engineConformance } from "./suite.ts";
import { hasNative } from "../support/native.ts";

if (hasNative) engineConformance("native", () => engines.native.open(engineHost()), { threaded: true });

const runsAvx2 =
  hasNative && arch() === "x64" && (!existsSync("/proc/cpuinfo") || readFileSync("/proc/cpuinfo", "utf8").includes(" avx2 "));
// The same sources for an older CPU: half the vector length, half the registers.
if (runsAvx2)
  engineConformance(
    "native for AVX2",
    () => engines.native.open({ ...engineHost(), environment: { ...process.env, MUTRANSFER_CFLAGS: "-march=x86-64-v3" } }),
    { threaded: true },
  );

describe.skipIf(!hasNative)("the native engine refuses what its kernels would trip over", () => {
  const program = trainingStep(
    { layers: 1, width: 8, headDim: 4, context: 4, mlpRatio: 2, vocabSize: 11, biases: false, zeroInit: [] },
    { trials: 1, batch: 1, beta1: 0.9, beta2: 0.95, weightDecay: false },
  );
  const ids = (last: number): Int32Array => Int32Array.of(0, 1, 2, last);
  it.each([11, -1, 2 ** 30])("the token id %i", async (id) => {
    const executable = await (await engines.native.open(engineHost())).compile(program, { threads: 1, precision: "float32" });
    await expect(executable.evaluate({ count: 1, tokens: ids(id), targets: ids(0) })).rejects.toThrow(/outside the vocabulary of 11/);
    await expect(executable.evaluate({ count: 1, tokens: ids(0), targets: ids(id) })).rejects.toThrow(/outside the vocabulary of 11/);
  });
  it("two calls at once, and no threads at all", async () => {
    const engine = await engines.native.open(engineHost());
    const executable = await engine.compile(program, { threads: 1, precision: "float32" });
    const first = executable.evaluate({ count: 1, tokens: ids(0), targets: ids(0) });
    await expect(executable.evaluate({ count: 1, tokens: ids(0), targets: ids(0) })).rejects.toThrow(/still running/);
    await first;
    await expect(executable.evaluate({ count: 1, tokens: ids(0), targets: ids(0) })).resolves.toHaveLength(1);
    await expect(engine.compile(program, { threads: 0, precision: "float32" })).rejects.toThrow(/0 threads/);
  });
});
