/**
 * Run by `npm pack`: compiles the kernels for every system and vector unit of
 * prebuilt.ts into prebuilt/. What cannot be built is said; a package that is to be
 * published has everything.
 */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { exportedFunctions, prebuiltFile, prebuiltTargets, type Level, type PrebuiltTarget } from "../src/engines/native/prebuilt.ts";
import { commonFlags, kernelSources } from "../src/engines/native/sources.ts";
import { packageRoot } from "../src/engines/sources.ts";
import { crossCompiler } from "./cross-compiler.ts";

const rename = (suffix: string): readonly string[] => (suffix === "" ? [] : exportedFunctions.map((name) => `-D${name}=${name}${suffix}`));

/** What WebAssembly has no use for is left out: it starts no threads and is timed from outside. */
const moduleFlags = [
  ...["-mexec-model=reactor", "-D_WASI_EMULATED_MMAN"],
  ...["arithmetic", "scratch_floats", "run_call", "__heap_base"].map((name) => `-Wl,--export=${name}`),
];

type Run = (args: readonly string[]) => Promise<unknown>;

async function compile(run: Run, { system, extension, levels }: PrebuiltTarget, output: string): Promise<void> {
  const target = ["-target", system, ...(extension === "wasm" ? [] : ["-fPIC", "-pthread"])];
  const objectOf = ({ suffix }: Level): string => `kernels-${system}${suffix}.o`;
  const forModule = extension === "wasm" ? moduleFlags : [];
  for (const level of levels)
    await run([
      ...target,
      `-mcpu=${level.cpu}`,
      ...commonFlags,
      ...forModule,
      ...rename(level.suffix),
      "-c",
      "kernels.c",
      "-o",
      objectOf(level),
    ]);
  await run([...target, ...(extension === "wasm" ? forModule : ["-shared"]), "-s", ...levels.map(objectOf), "-lm", "-o", output]);
}

const folder = join(packageRoot(), "prebuilt");
rmSync(folder, { recursive: true, force: true });
const compiler = crossCompiler();
const missing: string[] = [];
const work = mkdtempSync(join(tmpdir(), "mutransfer-prebuild-"));
try {
  for (const [name, text] of Object.entries(kernelSources())) writeFileSync(join(work, name), text);
  mkdirSync(folder);
  const build = async ([name, target]: readonly [string, PrebuiltTarget]): Promise<void> => {
    try {
      if (compiler === undefined) throw new Error("pip cannot fetch the cross compiler");
      const { program, words, environment } = compiler;
      const run: Run = (args) => promisify(execFile)(program, [...words, ...args], { cwd: work, env: environment });
      await compile(run, target, join(packageRoot(), prebuiltFile(name)));
    } catch (error) {
      missing.push(`${name} (${(error as Error).message.split("\n")[0]})`);
    }
  };
  await Promise.all(Object.entries(prebuiltTargets).map(build));
} finally {
  rmSync(work, { recursive: true, force: true });
}
if (missing.length > 0) {
  console.error(`not prebuilt, so machines without a compiler have no kernels there: ${missing.join(", ")}`);
  if (process.env["npm_command"] === "publish") process.exitCode = 1;
}
