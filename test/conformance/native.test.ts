import { existsSync, readFileSync } from "node:fs";
import { arch } from "node:os";
import { engineHost } from "../../src/cli/files.ts";
import { engines } from "../../src/engines/registry.ts";
import { engineConformance } from "./suite.ts";

engineConformance("native", () => engines.native.open(engineHost()));

const runsAvx2 = arch() === "x64" && (!existsSync("/proc/cpuinfo") || readFileSync("/proc/cpuinfo", "utf8").includes(" avx2 "));
// The same sources for an older CPU: half the vector length, half the registers.
if (runsAvx2)
  engineConformance("native for AVX2", () =>
    engines.native.open({ ...engineHost(), environment: { ...process.env, MUTRANSFER_CFLAGS: "-march=x86-64-v3" } }),
  );
