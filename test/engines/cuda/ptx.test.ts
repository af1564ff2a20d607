/** The committed PTX is that of the committed sources. No compiler is needed to see it. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { kernels } from "../../../src/engines/cuda/kernels.ts";
import { entryOf, kernelsDigest, ptxIndex, ptxOf, ptxPath, ptxVersions } from "../../../src/engines/cuda/sources.ts";
import { digest, packageRoot } from "../../../src/engines/sources.ts";

const folder = join(packageRoot(), ptxPath);
const remedy = "run npm run kernels, and commit what it writes";

it("the PTX is made from the sources that there are", () => {
  expect(existsSync(join(folder, "index.json")), `there is no PTX: ${remedy}`).toBe(true);
  expect(ptxIndex().digest, `kernels have changed: ${remedy}`).toBe(kernelsDigest());
});

it("there is PTX for every kernel, and for nothing else", () => {
  const names = Object.keys(kernels).sort();
  expect(Object.keys(ptxIndex().kernels).sort(), remedy).toEqual(names);
  expect(readdirSync(folder).sort(), remedy).toEqual([...names.map((name) => `${name}.ptx`), "index.json"].sort());
});

it("what each takes of an SM is stated, and nothing is spilled", () => {
  const stated = JSON.parse(readFileSync(join(packageRoot(), "bench/results/cuda-kernels.json"), "utf8")) as Record<
    string,
    Record<string, { readonly spill_bytes: number; readonly shared_bytes: number }>
  >;
  expect(Object.keys(stated).sort(), remedy).toEqual(Object.keys(kernels).sort());
  for (const [name, architectures] of Object.entries(stated)) {
    expect(Object.keys(architectures), name).toEqual(["sm_80", "sm_90", "sm_120"]);
    for (const { spill_bytes, shared_bytes } of Object.values(architectures)) {
      expect(spill_bytes, name).toBe(0);
      expect(shared_bytes, name).toBeLessThanOrEqual(48 * 1024);
    }
  }
});

describe.each(Object.entries(kernels))("%s", (name, { capability, threads }) => {
  it("is in the version of PTX that its drivers take, of these sources, and untouched", () => {
    const text = ptxOf(name);
    const [first, version, target] = text.split("\n");
    expect([first, version, target], remedy).toEqual([
      `// ${kernelsDigest()}`,
      `.version ${ptxVersions[capability]}`,
      `.target sm_${capability}`,
    ]);
    expect(digest(text), remedy).toBe(ptxIndex().kernels[name]);
  });

  it("has its entry, with the threads that a launch will have", () => {
    const text = ptxOf(name);
    expect([...text.matchAll(/^\.visible \.entry (\w+)\(/gm)].map(([, entry]) => entry)).toEqual([entryOf(name)]);
    expect(text).toContain(`.maxntid ${threads}, 1, 1`);
  });
});
