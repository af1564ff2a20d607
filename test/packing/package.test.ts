/**
 * What users get: the package is packed by the maintainers' one command, installed
 * from the tarball into an empty folder, and used there, on machines that lack things.
 */
import { execFile } from "node:child_process";
import { cpSync, lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { arch, platform } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { crossCompiler } from "../../packing/cross-compiler.ts";
import { cpuFeatures } from "../../src/engines/native/cpu.ts";
import { nativeEngine } from "../../src/engines/native/engine.ts";
import { callFields } from "../../src/engines/native/header.ts";
import { loadLibrary, type CallField } from "../../src/engines/native/library.ts";
import { prebuiltFile, prebuiltTargets } from "../../src/engines/native/prebuilt.ts";
import { loadModule } from "../../src/engines/native/web-assembly.ts";
import type { Results } from "../../src/run/results.ts";
import { engineConformance } from "../conformance/suite.ts";
import { temporaryFolder } from "../support/folder.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = temporaryFolder();
const [stage, home] = [join(folder, "stage"), join(folder, "home")];
const installed = join(home, "node_modules/mutransfer");
const system = `${platform()}-${arch()}`;

interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program in the folder of the installation. */
async function execute(program: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = {}): Promise<Finished> {
  try {
    const output = await promisify(execFile)(program, [...args], { cwd, env: { ...process.env, ...env }, maxBuffer: 2 ** 26 });
    return { code: 0, ...output };
  } catch (error) {
    const { code, stdout, stderr } = error as Finished;
    return { code, stdout, stderr };
  }
}

const bin = join(installed, "bin/mutransfer.js");
const config = (name: string): string => join(installed, "configs", name);
const cli = (args: readonly string[], env: NodeJS.ProcessEnv = {}, node = process.execPath): Promise<Finished> =>
  execute(node, [bin, ...args], home, { MUTRANSFER_CACHE: join(folder, "cache"), ...env });
const withoutCompiler = { PATH: "/nowhere", CC: "" };
const resultsIn = (name: string): Results => JSON.parse(readFileSync(join(home, name, "results.json"), "utf8")) as Results;

/** Bytes on disk, as du counts them. */
function bytesUnder(path: string): number {
  const { blocks } = lstatSync(path);
  const inside = lstatSync(path).isDirectory() ? readdirSync(path).map((name) => bytesUnder(join(path, name))) : [];
  return inside.reduce((sum, bytes) => sum + bytes, 512 * blocks);
}

/** This Node, or another from the registry. */
async function nodeOf(version: number): Promise<string> {
  if (process.version.startsWith(`v${version}.`)) return process.execPath;
  const place = join(folder, `node-${version}`);
  mkdirSync(place);
  writeFileSync(join(place, "package.json"), "{}");
  const { code, stderr } = await execute("npm", ["install", `node-${system}@${version}`, "--no-audit", "--no-fund"], place);
  expect(code, stderr).toBe(0);
  const node = join(place, `node_modules/node-${system}/bin/node`);
  expect((await execute(node, ["--version"], place)).stdout).toMatch(new RegExp(`^v${version}\\.`));
  return node;
}

/** Packs a copy of the clone and installs it; says why that cannot be done here. What fails for another reason throws. */
async function packAndInstall(): Promise<string | undefined> {
  if (crossCompiler() === undefined) return "Python's pip cannot fetch the cross compiler";
  mkdirSync(stage);
  mkdirSync(home);
  const parts = [
    "bin",
    "bench",
    "configs",
    "dist",
    "docs",
    "man",
    "packing",
    "ptx",
    "src",
    "test",
    "package.json",
    "tsconfig.json",
    "tsconfig.build.json",
  ];
  for (const name of [...parts, "CHANGELOG.md", "README.md", "LICENSE"])
    cpSync(join(root, name), join(stage, name), { recursive: true, preserveTimestamps: true });
  symlinkSync(join(root, "node_modules"), join(stage, "node_modules"));
  const { code, stdout, stderr } = await execute("npm", ["pack", "--silent"], stage);
  expect(code, stderr).toBe(0);
  const packed = stdout.trim().split("\n").at(-1) ?? "";
  writeFileSync(join(home, "package.json"), "{}");
  const install = await execute("npm", ["install", join(stage, packed), "--no-audit", "--no-fund"], home);
  if (/code (ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH)/.test(install.stderr)) return "no npm registry";
  expect(install.code, install.stderr).toBe(0);
  return undefined;
}
/** It reaches PyPI and the npm registry, and takes a minute. */
const missing = process.env["MUTRANSFER_CI"] ? await packAndInstall() : "only in CI";

it("the package can be packed and installed here, or in CI", () => {
  if (process.env["MUTRANSFER_CI"]) expect(missing).toBeUndefined();
});

describe.skipIf(missing !== undefined)("the packed package", () => {
  it("has kernels for every system, and leaves none in the clone", () => {
    const files = Object.keys(prebuiltTargets).map((target) => prebuiltFile(target));
    expect(readdirSync(join(installed, "prebuilt")).map((name) => `prebuilt/${name}`)).toEqual([...files].sort());
    expect(readdirSync(stage)).not.toContain("prebuilt");
  });

  it("installs from the registry alone, in at most 120 MB, without onnxruntime", () => {
    expect(bytesUnder(join(home, "node_modules")) / 2 ** 20).toBeLessThan(120);
    expect(readdirSync(join(home, "node_modules"))).not.toContain("onnxruntime-node");
  });

  it("runs the quickstart by npx", async () => {
    const env = { MUTRANSFER_CACHE: join(folder, "cache") };
    const sweep = await execute("npx", ["mutransfer", "sweep", config("quickstart.yaml"), "--out", "quickstart"], home, env);
    expect(sweep.code, sweep.stderr).toBe(0);
    const transfer = await execute("npx", ["mutransfer", "transfer", "--best", "quickstart/results.json"], home, env);
    expect([transfer.code, transfer.stdout]).toEqual([0, expect.stringContaining("validation loss")]);
  });

  it("is a library whose examples hold under strict types, and run", async () => {
    const app = join(home, "app");
    cpSync(join(root, "examples"), app, { recursive: true });
    writeFileSync(join(app, "package.json"), JSON.stringify({ type: "module" }));
    const strict = { strict: true, noUncheckedIndexedAccess: true, exactOptionalPropertyTypes: true, skipLibCheck: false };
    const compilerOptions = {
      ...strict,
      ...{ module: "nodenext", target: "es2023", rewriteRelativeImportExtensions: true, outDir: "built" },
      ...{ types: ["node"], typeRoots: [join(root, "node_modules/@types")] },
    };
    writeFileSync(join(app, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
    const compiled = await execute(process.execPath, [join(root, "node_modules/typescript/bin/tsc")], app);
    expect(compiled.code, compiled.stdout).toBe(0);
    const env = { MUTRANSFER_CACHE: join(folder, "cache") };
    const { code, stdout, stderr } = await execute(process.execPath, ["built/01-sweep-and-transfer.js"], app, env);
    expect([code, stdout], stderr).toEqual([0, expect.stringMatching(/^winner: trial \d[^]*target of width 32/)]);
  });

  it("says how to get what it does not bring", async () => {
    const { stdout } = await cli(["doctor"]);
    expect(stdout).toMatch(/^ *onnxruntime +missing/m);
    expect(stdout).toContain("npm install onnxruntime-node --ignore-scripts");
    const named = await cli(["sweep", config("smoke.yaml"), "--out", "named", "--engine", "onnxruntime"]);
    expect([named.code, named.stderr]).toEqual([7, expect.stringContaining("npm install onnxruntime-node --ignore-scripts")]);
  });

  it("trains without a compiler on prebuilt kernels, and says so in one line", async () => {
    const { code, stderr } = await cli(["sweep", config("smoke.yaml"), "--out", "prebuilt"], withoutCompiler);
    expect(code, stderr).toBe(0);
    expect(stderr.split("\n").filter((line) => line.includes("C compiler"))).toEqual([expect.stringMatching(/prebuilt for many CPUs/)]);
    expect(resultsIn("prebuilt").environment.engine).toMatch(/^native [0-9a-f]{8}, [\w-]+, clang \d+, prebuilt$/);
  });

  it("does not mix what two builds have computed", async () => {
    const spec = (trials: number): void => {
      const text = readFileSync(config("smoke.yaml"), "utf8").replace(/trials: \d+/, `trials: ${trials}`);
      writeFileSync(join(home, "growing.yaml"), text);
    };
    spec(4);
    expect((await cli(["sweep", "growing.yaml", "--out", "growing"])).code).toBe(0);
    spec(5);
    const { code, stderr } = await cli(["sweep", "growing.yaml", "--out", "growing", "--extend"], withoutCompiler);
    expect([code, stderr]).toEqual([3, expect.stringContaining("run_of_another_engine")]);
  });

  it.each(["absent", "broken"])("trains as WebAssembly where the prebuilt library is %s", async (what) => {
    const library = join(installed, prebuiltFile(system));
    renameSync(library, `${library}.away`);
    try {
      if (what === "broken") writeFileSync(library, "no library");
      const { code, stderr } = await cli(["sweep", config("smoke.yaml"), "--out", what], withoutCompiler);
      expect(code, stderr).toBe(0);
      expect(stderr).toContain("WebAssembly, which is slow");
      expect(resultsIn(what).environment.engine).toMatch(/^native [0-9a-f]{8}, WebAssembly, clang \d+, prebuilt$/);
    } finally {
      renameSync(`${library}.away`, library);
    }
  });

  it("allocates zeros in WebAssembly, whatever was lent to a call before", async () => {
    const library = await (await loadModule(join(installed, prebuiltFile("wasm"))))();
    const nothing = Object.fromEntries(callFields.map((field) => [field, 0n])) as Record<CallField, bigint>;
    library.addressOf(new Float32Array(1000).fill(7));
    await library.run({ ...nothing, threads: 1n, lanes: 1n });
    expect(library.allocate(1000).values.every((value) => value === 0)).toBe(true);
  });

  it.each([20, 22, 24])("runs on Node %i", async (version) => {
    const node = await nodeOf(version);
    const { code, stderr } = await cli(["sweep", config("smoke.yaml"), "--out", `on-${version}`], withoutCompiler, node);
    expect(code, stderr).toBe(0);
    expect((await cli(["transfer", "--best", `on-${version}/results.json`], withoutCompiler, node)).code).toBe(0);
  });
});

/** Levels that this CPU cannot run are for other machines' suites. */
for (const { suffix, features } of prebuiltTargets[system]?.levels ?? [])
  if (features.every((feature) => cpuFeatures().has(feature)))
    engineConformance(
      `native, prebuilt${suffix}`,
      async () => {
        const library = await loadLibrary(join(installed, prebuiltFile(system)), suffix);
        return nativeEngine({ isPrebuilt: true, library: () => Promise.resolve(library) });
      },
      { threaded: true, missing },
    );

engineConformance(
  "native as WebAssembly",
  async () => nativeEngine({ isPrebuilt: true, library: await loadModule(join(installed, prebuiltFile("wasm"))) }),
  { threaded: true, missing },
);
