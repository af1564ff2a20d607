/**
 * The kernels that come with the packed package, for machines without a compiler:
 * one library for each system, with a copy of the kernels for each vector unit, and
 * one for WebAssembly. packing/prebuild.ts makes them; a clone has none.
 */
import { existsSync } from "node:fs";
import { arch, platform } from "node:os";
import { join } from "node:path";
import { packageRoot } from "../sources.ts";
import { sourcesDigest } from "./sources.ts";

/** A copy of the kernels for one kind of CPU. */
export interface Level {
  /** What the names of its functions end in. */
  readonly suffix: string;
  /** The CPU that it is compiled for, as the packing compiler calls it. */
  readonly cpu: string;
  /** What Linux says of a CPU that can run it. */
  readonly features: readonly string[];
}

/** A system that a library is built for in advance. */
export interface PrebuiltTarget {
  /** Beginning with the best. */
  readonly levels: readonly Level[];
  /** The system as the packing compiler calls it, with the oldest C library that will do. */
  readonly system: string;
  readonly extension: "so" | "dylib" | "wasm";
}

const avx2 = ["avx2", "fma", "bmi1", "bmi2", "f16c", "movbe", "abm"] as const;
const avx512 = [...avx2, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"] as const;

/** By Node's names of system and processor. */
export const prebuiltTargets: Readonly<Record<string, PrebuiltTarget>> = {
  "linux-x64": {
    system: "x86_64-linux-gnu.2.17",
    extension: "so",
    levels: [
      { suffix: "_avx512_bf16", cpu: "x86_64_v4+avx512bf16", features: [...avx512, "avx512_bf16"] },
      { suffix: "_avx512", cpu: "x86_64_v4", features: avx512 },
      { suffix: "_avx2", cpu: "x86_64_v3", features: avx2 },
      { suffix: "_sse", cpu: "x86_64", features: [] },
    ],
  },
  "linux-arm64": { system: "aarch64-linux-gnu.2.17", extension: "so", levels: [{ suffix: "", cpu: "generic", features: [] }] },
  "darwin-arm64": { system: "aarch64-macos", extension: "dylib", levels: [{ suffix: "", cpu: "apple_m1", features: [] }] },
  wasm: {
    system: "wasm32-wasi",
    extension: "wasm",
    levels: [{ suffix: "", cpu: "generic+simd128+bulk_memory", features: [] }],
  },
};

/** Functions that a library has, once for each level. */
export const exportedFunctions = ["arithmetic", "has_mixed", "scratch_floats", "use_large_pages", "run_call", "time_product"] as const;

/** Where prebuilt kernels lie. The name holds the sources' digest, so that none is taken for sources it was not made from. */
export const prebuiltFile = (target: string): string =>
  `prebuilt/kernels-${sourcesDigest()}-${target}.${prebuiltTargets[target]?.extension ?? ""}`;

function present(target: string): string | undefined {
  if (prebuiltTargets[target] === undefined) return undefined;
  const path = join(packageRoot(), prebuiltFile(target));
  return existsSync(path) ? path : undefined;
}

/** Prebuilt kernels that run here. */
export interface Prebuilt {
  readonly path: string;
  readonly suffix: string;
}

/** The best level of a target for a CPU with these features; undefined when there is no such target. */
export const bestLevel = (target: string, features: ReadonlySet<string>): Level | undefined =>
  prebuiltTargets[target]?.levels.find((level) => level.features.every((feature) => features.has(feature)));

/** The library for this system, and its best level for a CPU with these features; undefined where there is none. */
export function prebuiltLibrary(features: ReadonlySet<string>): Prebuilt | undefined {
  const target = `${platform()}-${arch()}`;
  const path = present(target);
  const level = bestLevel(target, features);
  return path === undefined || level === undefined ? undefined : { path, suffix: level.suffix };
}

/** The WebAssembly module, which runs on every system; undefined in a clone. */
export const prebuiltModule = (): string | undefined => present("wasm");
