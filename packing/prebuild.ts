/**
 * Run by `npm pack`: compiles the kernels for every system and vector unit of
 * prebuilt.ts with one cross compiler (zig cc) into prebuilt/. What cannot be built
 * is said; a package that is to be published has everything.
 */
import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { exportedFunctions, prebuiltFile, prebuiltTargets, type Level, type PrebuiltTarget } from "../src/engines/native/prebuilt.ts";
import { commonFlags, kernelSources, packageRoot } from "../src/engines/native/sources.ts";

const compilerVersion = "0.17.1";

type Command = readonly [string, ...string[]];

function runs([program, ...args]: Command, environment = process.env): boolean {
  try {
    execFileSync(program, args, { stdio: "ignore", env: environment });
    return true;
  } catch {
    return false;
  }
}

/** The cross compiler as a command: on the path, or fetched by pip into node_modules. Always the same version, so that packages are alike. */
function crossCompiler(): { readonly command: Command; readonly environment: NodeJS.ProcessEnv } | undefined {
  const folder = join(packageRoot(), "node_modules/.cache/ziglang");
  const command: Command = ["python3", "-m", "ziglang"];
  const environment = { ...process.env, PYTHONPATH: [folder, process.env["PYTHONPATH"]].filter(Boolean).join(delimiter) };
  const fetch: Command = ["python3", "-m", "pip", "install", "-q", "--target", folder, `ziglang==${compilerVersion}`];
  const isThere = (): boolean => existsSync(folder) && runs([...command, "version"], environment);
  return isThere() || (runs(fetch) && isThere()) ? { command, environment } : undefined;
}

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
      if (compiler === undefined) throw new Error(`no ziglang ${compilerVersion}, and pip cannot fetch it`);
      const { command, environment } = compiler;
      const [program, ...words] = command;
      const run: Run = (args) => promisify(execFile)(program, [...words, "cc", ...args], { cwd: work, env: environment });
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
