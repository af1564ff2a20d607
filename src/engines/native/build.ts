/**
 * Compiles the kernels with the system's C compiler and keeps the library in the
 * user's cache, under a name made of everything it depends on: sources, flags,
 * compiler and CPU. A damaged entry is made again; two first runs do not collide.
 */
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { arch, cpus, platform } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { EngineUnavailable } from "../engine.ts";
import { instructionHeader } from "./instructions.ts";

export interface BuildSettings {
  /** Folder for compiled libraries. */
  readonly cache: string;
  /** Compiler to use instead of the first of cc, gcc and clang on the path. */
  readonly compiler?: string | undefined;
  /** The search path. */
  readonly path: string;
  /** Flags after the usual ones: other CPUs, instrumented builds. */
  readonly extraFlags: readonly string[];
}

const flags: readonly string[] = [
  ...["-O3", "-std=gnu11", "-fPIC", "-shared", "-pthread", "-fvisibility=hidden"],
  // Sums keep their order; only a·b + c may become one operation, and √ needs no errno.
  ...["-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math"],
];

/** The CPU this machine runs on: the library is made for exactly it. */
const nativeFlag = arch() === "arm64" ? "-mcpu=native" : "-march=native";

/** Path of a library that is ready to be loaded; throws EngineUnavailable with the way out. */
export async function builtLibrary(settings: BuildSettings): Promise<string> {
  if (platform() === "win32") throw new EngineUnavailable("the native engine is built on Linux and macOS only");
  const compiler = findCompiler(settings);
  const sources = kernelSources();
  const options = [...flags, nativeFlag, ...settings.extraFlags];
  const real = realpathSync(compiler);
  const { size, mtimeMs } = statSync(real);
  const key = digest(JSON.stringify([sources, options, compiler, real, size, mtimeMs, arch(), cpuIdentity()])).slice(0, 32);
  const library = join(settings.cache, `kernels-${key}.${platform() === "darwin" ? "dylib" : "so"}`);
  if (!isIntact(library)) await compile(compiler, options, sources, library, settings.cache);
  return library;
}

/** Names the arithmetic: changes whenever a kernel does. */
export const kernelVersion = (): string => `native ${digest(JSON.stringify(kernelSources())).slice(0, 8)}`;

/** The compiler's own name matters (a link to ccache is told by it what to be), so links are not followed to run it. */
function findCompiler({ compiler, path }: BuildSettings): string {
  const names = compiler ? [compiler] : ["cc", "gcc", "clang"];
  const candidates = names.flatMap((name) => (name.includes("/") ? [name] : path.split(delimiter).map((folder) => join(folder, name))));
  const found = candidates.find(isExecutable);
  if (found === undefined)
    throw new EngineUnavailable(
      compiler
        ? `the native engine cannot be built: there is no compiler ${compiler}, which $CC names`
        : "the native engine needs a C compiler; install one (Debian: apt install gcc, macOS: xcode-select --install)",
    );
  return found;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/** Name and abilities of the CPU; Linux tells both in one file. */
function cpuIdentity(): string {
  const described = "/proc/cpuinfo";
  const features = existsSync(described) ? (/^(?:flags|Features)\s*:.*$/m.exec(readFileSync(described, "utf8"))?.[0] ?? "") : "";
  return `${cpus()[0]?.model ?? ""} ${features}`;
}

/** Every source by name, with the header made from the instruction table. */
function kernelSources(): Readonly<Record<string, string>> {
  const folder = join(packageRoot(), "src/engines/native/kernels");
  const written = readdirSync(folder)
    .sort()
    .map((name) => [name, readFileSync(join(folder, name), "utf8")] as const);
  return Object.fromEntries([...written, ["instructions.h", instructionHeader()]]);
}

/** The package's own folder, from wherever this file runs. */
function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

/** Beside each library stands the digest it had when it was made. */
const digestOf = (library: string): string => `${library}.sha256`;

function isIntact(library: string): boolean {
  try {
    return digest(readFileSync(library)) === readFileSync(digestOf(library), "utf8");
  } catch {
    return false; // absent or unreadable: made again
  }
}

/** Folders of builds that were killed; no build takes an hour. */
function removeAbandoned(cache: string): void {
  const hour = 3_600_000;
  const newest = statSync(cache).mtimeMs; // the file system's own clock
  for (const name of readdirSync(cache).filter((each) => each.startsWith("building-")))
    if (newest - statSync(join(cache, name)).mtimeMs > hour) rmSync(join(cache, name), { recursive: true, force: true });
}

async function compile(
  compiler: string,
  options: readonly string[],
  sources: Readonly<Record<string, string>>,
  library: string,
  cache: string,
): Promise<void> {
  const folder = join(cache, `building-${randomBytes(8).toString("hex")}`);
  try {
    // Libraries are code that will run: nobody else may put one there.
    mkdirSync(cache, { recursive: true, mode: 0o700 });
    removeAbandoned(cache);
    mkdirSync(folder);
  } catch (error) {
    throw new EngineUnavailable(`the native engine cannot be kept in ${cache} (${(error as Error).message}); set $MUTRANSFER_CACHE`);
  }
  try {
    for (const [name, text] of Object.entries(sources)) writeFileSync(join(folder, name), text);
    await promisify(execFile)(compiler, [...options, "kernels.c", "-o", "library", "-lm"], { cwd: folder });
    writeFileSync(join(folder, "digest"), digest(readFileSync(join(folder, "library"))));
    renameSync(join(folder, "library"), library);
    renameSync(join(folder, "digest"), digestOf(library));
  } catch (error) {
    const words = (error as { stderr?: string }).stderr?.trim().split("\n").slice(0, 3).join("; ");
    throw new EngineUnavailable(`the native engine cannot be built with ${compiler}: ${words || (error as Error).message}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const digest = (data: string | Uint8Array): string => createHash("sha256").update(data).digest("hex");
