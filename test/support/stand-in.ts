/**
 * A library in place of NVIDIA's driver that runs the kernels on this machine's CPU
 * (test/emulation), built from what the PTX is built from. Objects and libraries are kept
 * in the system's temporary folder under the digest of all that they are made of.
 */
import { execFile, execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { platform, tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import pLimit from "p-limit";
import { cores } from "../../src/engines/cores.ts";
import { cudaHeader } from "../../src/engines/cuda/fields.ts";
import { kernels, kernelText } from "../../src/engines/cuda/kernels.ts";
import { cpuIdentity } from "../../src/engines/native/cpu.ts";
import { digest, packageRoot } from "../../src/engines/sources.ts";

export interface Source {
  readonly file: string;
  readonly text: string;
  /** Kernel or file that it is compiled for. */
  readonly unit: string;
}
export interface StandInSettings {
  /** Finds what lies outside allocations and shared arrays, misaligned vectors and overflowing integers; see `sanitized`. */
  readonly sanitize?: boolean;
  /** What becomes of a source before it is compiled: a fault to be found. Each unit passes through it with its headers. */
  readonly plant?: (source: Source) => string;
  /** Translation units by kernel, in place of those of the table. */
  readonly units?: Readonly<Record<string, string>>;
}
/** The library, or why there is none; where CI tests there has to be one. */
export type StandIn =
  { readonly library: string; readonly missing?: undefined } | { readonly library?: undefined; readonly missing: string };

/** Environment of a process that loads a sanitized library. */
export const sanitized = (): Readonly<Record<string, string>> => ({
  LD_PRELOAD: ["asan", "ubsan"].map((name) => run(compiler(), [`-print-file-name=lib${name}.so`])).join(":"),
  ASAN_OPTIONS: "detect_leaks=0:detect_stack_use_after_return=0",
  UBSAN_OPTIONS: "print_stacktrace=1",
});

/** PTX that a driver could be given for a kernel: the stand-in reads its version, its target and its entries. */
export const ptxOf = (entries: readonly string[], version = "6.4", target = "sm_75"): string =>
  [
    `.version ${version}`,
    `.target ${target}`,
    ".address_size 64",
    ...entries.map((name) => `.visible .entry ${name}(\n)\n{\n\tret;\n}`),
    "",
  ].join("\n");

const compiler = (): string => process.env["CXX"] ?? "g++";
const run = (command: string, options: readonly string[]): string =>
  execFileSync(command, options, { encoding: "utf8", env: { ...process.env, LD_PRELOAD: "" } }).trim();

/**
 * Products and sums stay apart, as they are written; the CPU's own multiply-add is what fmaf is.
 * The same bytes may be read as another type, as on a GPU.
 */
const flags = ["-std=c++17", "-O2", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fno-strict-aliasing"];
const forLibrary = ["-fPIC", "-fvisibility=hidden", process.arch === "arm64" ? "-mcpu=native" : "-march=native"];
const sanitizers = [
  "-O1",
  "-g1",
  "-fsanitize=address,alignment,bounds,shift,signed-integer-overflow,integer-divide-by-zero",
  "-fno-sanitize-recover=all",
  "-fsanitize-sections=emulated_shared_*",
];

/** Headers and the emulation's own units by name. */
function sources(): ReadonlyMap<string, string> {
  const folders = ["src/engines/cuda/kernels", "test/emulation"].map((name) => join(packageRoot(), name));
  const files = folders.flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => /\.(?:cuh|h|cc)$/.test(name))
      .map((file) => [file, readFileSync(join(folder, file), "utf8")] as const),
  );
  return new Map([...files, ["instructions.h", cudaHeader()]]);
}

/** A text with all that it includes, so that a change of one header does not compile the others' units again. */
function included(text: string, all: ReadonlyMap<string, string>, found = new Map<string, string>()): ReadonlyMap<string, string> {
  for (const [, name] of text.matchAll(/^#include "(.+)"/gm)) {
    const header = all.get(name);
    if (header === undefined || found.has(name)) continue;
    found.set(name, header);
    included(header, all, found);
  }
  return found;
}

/** Builds a file that is not there yet beside its place, and puts it there whole. */
async function made(file: string, build: (folder: string) => Promise<string>): Promise<string> {
  if (existsSync(file)) return file;
  const folder = `${file}-${randomBytes(6).toString("hex")}`;
  mkdirSync(folder);
  try {
    renameSync(await build(folder), file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return file;
}

/**
 * Gives what a kernel's unit keeps beside its code, which is what its blocks share, a section by the kernel's name. g++ would leave
 * the arrays of function templates out of a section that is named in the source (its bug 41091).
 */
async function collectShared(object: string, kernel: string): Promise<void> {
  await promisify(execFile)("objcopy", ["--rename-section", `.bss=emulated_shared_${kernel}`, object]);
}

export async function standIn({ sanitize = false, plant = ({ text }) => text, units }: StandInSettings = {}): Promise<StandIn> {
  const { MUTRANSFER_CI: isCi, MUTRANSFER_CUDA_TESTS: isWanted } = process.env;
  if (!isCi && !isWanted) return { missing: "only where MUTRANSFER_CI or MUTRANSFER_CUDA_TESTS is set" };
  const command = compiler();
  let version: string;
  try {
    if (platform() !== "linux") throw new Error("the stand-in for NVIDIA's driver is made for Linux");
    version = run(command, ["--version"]);
  } catch (error) {
    if (isCi) throw error;
    return { missing: (error as Error).message.split("\n")[0] };
  }
  const all = sources();
  const names = Object.keys(units ?? kernels);
  const texts = [
    ...names.map((name) => ({
      unit: name,
      file: `${name}.cc`,
      text: `#define EMULATED ${name}\n${units?.[name] ?? kernelText(name)}`,
      own: [],
    })),
    // Tensor cores are loops there; the kernels themselves gain nothing from more than -O2, and compile three times as long.
    ...[...all]
      .filter(([file]) => file.endsWith(".cc"))
      .map(([file, text]) => ({ unit: file, file, text, own: file === "emulate.cc" && !sanitize ? ["-O3"] : [] })),
  ];
  const shared = [...flags, ...forLibrary, ...(sanitize ? sanitizers : [])];
  const cache = join(tmpdir(), `mutransfer-stand-in-${userInfo().uid}`);
  mkdirSync(cache, { recursive: true, mode: 0o700 });
  if (statSync(cache).uid !== userInfo().uid) throw new Error(`${cache} is somebody else's, and holds what would run here`);
  // A process under a sanitizer compiles without it.
  const env = { ...process.env, LD_PRELOAD: "" };
  const compile = async (options: readonly string[], folder: string): Promise<void> => {
    await promisify(execFile)(command, options, { cwd: folder, env, maxBuffer: 1 << 26 });
  };
  const limit = pLimit(cores());
  // Several test files may begin at once: each compiles in an order of its own, and finds what others were first with.
  const order = (file: string): string => digest(`${process.pid} ${file}`);
  const built = new Map<string, string>();
  await Promise.all(
    [...texts]
      .sort((a, b) => (order(a.file) < order(b.file) ? -1 : 1))
      .map(({ unit, file, text, own }) =>
        limit(async () => {
          const options = [...shared, ...own];
          const parts = [...included(text, all), [file, text] as const].map(([name, of]) => [name, plant({ file: name, text: of, unit })]);
          const key = digest(JSON.stringify([file, parts, options, command, version, cpuIdentity()]));
          const object = await made(join(cache, `${key}.o`), async (folder) => {
            for (const [name, content] of parts) writeFileSync(join(folder, name), content);
            await compile([...options, "-c", file, "-o", "object"], folder);
            if (unit in (units ?? kernels)) await collectShared(join(folder, "object"), unit);
            return join(folder, "object");
          });
          built.set(file, object);
        }),
      ),
  );
  const objects = texts.map(({ file }) => built.get(file) as string);
  const library = await made(join(cache, `${digest(JSON.stringify(objects))}.so`), async (folder) => {
    await compile([...shared, "-shared", ...objects, "-o", "library", "-lm"], folder);
    return join(folder, "library");
  });
  return { library };
}
