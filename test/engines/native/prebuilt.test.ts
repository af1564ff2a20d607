import { describe, expect, it } from "vitest";
import { bestLevel, prebuiltTargets } from "../../../src/engines/native/prebuilt.ts";

/** What Linux says of some CPUs, as far as it matters here. */
const nehalem = "sse4_2 popcnt";
const sandyBridge = `${nehalem} avx`;
const haswell = `${sandyBridge} avx2 fma bmi1 bmi2 f16c movbe abm`;
const knightsLanding = `${haswell} avx512f avx512cd avx512er avx512pf`;
const skylake = `${haswell} avx512f avx512bw avx512cd avx512dq avx512vl`;
const genoa = `${skylake} avx512_bf16`;

describe("the level of the prebuilt kernels", () => {
  it.each([
    ["Nehalem", nehalem, "_sse"],
    ["Sandy Bridge", sandyBridge, "_sse"],
    ["Haswell", haswell, "_avx2"],
    ["AVX2 without fused operations", haswell.replace("fma ", ""), "_sse"],
    ["Knights Landing, whose AVX-512 lacks parts", knightsLanding, "_avx2"],
    ["Skylake", skylake, "_avx512"],
    ["Genoa", genoa, "_avx512_bf16"],
    ["a system that tells nothing", "", "_sse"],
  ])("is the best that %s can run", (_, features, suffix) =>
    expect(bestLevel("linux-x64", new Set(features.split(" ")))?.suffix).toBe(suffix),
  );
  it("is always some level where there is a library", () => {
    for (const target of Object.keys(prebuiltTargets)) expect(bestLevel(target, new Set())).toBeDefined();
    expect(bestLevel("aix-ppc64", new Set())).toBeUndefined();
  });
});
