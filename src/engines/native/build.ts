/**
 * Compiles the kernels with the system's C compiler and keeps the library in the
 * user's cache, under a name made of everything it depends on: sources, flags,
 * compiler and CPU. A damaged entry is made again; two first runs do not collide.
 */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  accessSync,
  constants,
  mkdirSync,
  readFileSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { arch, platform } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { EngineUnavailable } from "../engine.ts";
import { digest } from "../sources.ts";
import { cpuIdentity } from "./cpu.ts";
import { commonFlags, kernelSources } from "./sources.ts";
import { makeFolder } from "../../folders.ts";

/** With what, and into which folder, kernels are compiled. */
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

/** The CPU this machine runs on: the library is made for exactly it. */
const nativeFlag = arch() === "arm64" ? "-mcpu=native" : "-march=native";

/** Path of a library that is ready to be loaded; throws EngineUnavailable with the way out. */
export async function builtLibrary(settings: BuildSettings): Promise<string> {
  if (platform() === "win32") throw new EngineUnavailable("the native engine is built on Linux and macOS only");
  const compiler = findCompiler(settings);
  const sources = kernelSources();
  const options = [...commonFlags, "-fPIC", "-shared", "-pthread", nativeFlag, ...settings.extraFlags];
  const real = realpathSync(compiler);
  const { size, mtimeMs } = statSync(real);
  const key = digest(JSON.stringify([sources, options, compiler, real, size, mtimeMs, arch(), cpuIdentity()])).slice(0, 32);
  const library = join(settings.cache, `kernels-${key}.${platform() === "darwin" ? "dylib" : "so"}`);
  if (!isIntact(library)) await compile(compiler, options, sources, library, settings.cache);
  return library;
}

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
    makeFolder(cache, 0o700);
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
    throw new EngineUnavailable(
      `the native engine cannot be built with ${compiler}: ${words || (error as Error).message.trim().split("\n").join("; ")}`,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
