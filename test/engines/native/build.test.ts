import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { EngineUnavailable } from "../../../src/engines/engine.ts";
import { builtLibrary, type BuildSettings } from "../../../src/engines/native/build.ts";
import { loadLibrary } from "../../../src/engines/native/library.ts";
import { temporaryFolder } from "../../support/folder.ts";

const folder = temporaryFolder();
const path = process.env["PATH"] ?? "";
/** Compiled without optimisation: these tests are about files. */
const settings = (cache: string, more: Partial<BuildSettings> = {}): BuildSettings => ({
  cache: join(folder, cache),
  path,
  extraFlags: ["-O0"],
  ...more,
});

describe("the native library", () => {
  it("is compiled once, loads, and leaves nothing else behind", async () => {
    const library = await builtLibrary(settings("once"));
    expect(readdirSync(join(folder, "once")).map((name) => join(folder, "once", name))).toEqual([library, `${library}.sha256`]);
    expect((await loadLibrary(library)).timeProduct(16, 1)).toBeGreaterThan(0);
    const { mtimeMs } = statSync(library);
    expect(await builtLibrary(settings("once"))).toBe(library);
    expect(statSync(library).mtimeMs).toBe(mtimeMs);
  });

  it("is another file for other flags", async () => {
    expect(await builtLibrary(settings("flags", { extraFlags: ["-O0", "-g"] }))).not.toBe(await builtLibrary(settings("flags")));
  });

  it.each([
    ["cut short", (bytes: Buffer) => bytes.subarray(0, 1000)],
    ["changed in one byte", (bytes: Buffer) => Buffer.concat([bytes.subarray(0, -1), Buffer.of((bytes.at(-1) ?? 0) ^ 1)])],
    ["empty", () => Buffer.alloc(0)],
  ])("is made again when it was %s", async (name, damage) => {
    const library = await builtLibrary(settings(name));
    const intact = readFileSync(library);
    writeFileSync(library, damage(intact));
    expect(await builtLibrary(settings(name))).toBe(library);
    expect((await loadLibrary(library)).scratchFloats(1, 1)).toBeGreaterThan(0);
    expect(readFileSync(library).length).toBe(intact.length);
  });

  it("is made by several first runs at once without harm", async () => {
    const libraries = await Promise.all(Array.from({ length: 4 }, () => builtLibrary(settings("crowd"))));
    expect(new Set(libraries).size).toBe(1);
    expect(readdirSync(join(folder, "crowd")).length).toBe(2);
    expect((await loadLibrary(libraries[0])).scratchFloats(1, 1)).toBeGreaterThan(0);
  });

  it("needs a compiler, and says how to get one", async () => {
    await expect(builtLibrary(settings("none", { path: "/nowhere" }))).rejects.toThrow(EngineUnavailable);
    await expect(builtLibrary(settings("none", { path: "/nowhere" }))).rejects.toThrow(/needs a C compiler; install one/);
    await expect(builtLibrary(settings("none", { compiler: "no-such-cc" }))).rejects.toThrow(/no compiler no-such-cc/);
  });

  it("is compiled through a link under the link's own name, as ccache wants it", async () => {
    const wrapper = join(folder, "wrapper");
    writeFileSync(wrapper, '#!/bin/sh\ncase "$0" in */cc) exec gcc "$@";; *) echo "called as $0" >&2; exit 1;; esac\n', { mode: 0o755 });
    mkdirSync(join(folder, "links"));
    symlinkSync(wrapper, join(folder, "links", "cc"));
    const library = await builtLibrary(settings("linked", { path: `${join(folder, "links")}:${path}` }));
    expect((await loadLibrary(library)).scratchFloats(1, 1)).toBeGreaterThan(0);
  });

  it("clears away what a killed build left, but not a build that is going on", async () => {
    for (const name of ["building-old", "building-new"]) mkdirSync(join(folder, "abandoned", name), { recursive: true });
    utimesSync(join(folder, "abandoned", "building-old"), 1000, 1000);
    await builtLibrary(settings("abandoned"));
    expect(readdirSync(join(folder, "abandoned")).filter((name) => name.startsWith("building-"))).toEqual(["building-new"]);
  });

  it("is made again when its digest cannot be read", async () => {
    const library = await builtLibrary(settings("folder"));
    rmSync(`${library}.sha256`);
    mkdirSync(join(folder, "folder", "elsewhere"));
    symlinkSync(join(folder, "folder", "elsewhere"), `${library}.sha256`);
    expect(await builtLibrary(settings("folder"))).toBe(library);
  });

  it("says what a compiler that cannot compile it has to say", async () => {
    const compiler = join(folder, "broken-cc");
    writeFileSync(compiler, "#!/bin/sh\necho 'kernels.c: too hard' >&2\nexit 1\n", { mode: 0o755 });
    await expect(builtLibrary(settings("broken", { compiler }))).rejects.toThrow(/cannot be built with .*broken-cc: kernels\.c: too hard/);
    expect(readdirSync(join(folder, "broken"))).toEqual([]);
  });

  it("is not available where nothing can be kept", async () => {
    mkdirSync(join(folder, "closed"));
    writeFileSync(join(folder, "closed", "file"), "");
    await expect(builtLibrary(settings("closed/file"))).rejects.toThrow(EngineUnavailable);
  });
});
