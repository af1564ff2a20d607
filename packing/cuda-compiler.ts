/** NVIDIA's compiler to PTX (nvcc) and the assembler that a driver has inside (ptxas), both as Python packages. */
import { execFile, execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { ptxVersions, compiler, kernelSources } from "../src/engines/cuda/sources.ts";
import { kernels, kernelText } from "../src/engines/cuda/kernels.ts";
import { fetched } from "./python.ts";

/** nvcc drives cudafe++ (its own package), cicc (nvvm) and needs the headers of crt and the runtime. */
const packages = ["nvidia-cuda-nvcc", "nvidia-nvvm", "nvidia-cuda-crt", "nvidia-cuda-runtime"];

/** What a kernel takes of an SM. */
export interface Resources {
  readonly registers: number;
  readonly shared_bytes: number;
  /** Written to or read from local memory for want of registers. */
  readonly spill_bytes: number;
  /** Local memory of a thread: arrays that registers cannot hold, besides what is spilled. */
  readonly stack_bytes: number;
}

export interface CudaCompiler {
  /** A kernel's PTX without what the compiler says of itself. */
  compile(kernel: string): Promise<string>;
  /** Assembles PTX for an architecture such as 90; rejects with the assembler's words when it refuses. */
  assemble(kernel: string, ptx: string, architecture: number): Promise<Resources>;
}

/** A program's failure is what it says, not the command. */
async function words(program: string, args: readonly string[], cwd: string): Promise<string> {
  try {
    return (await promisify(execFile)(program, [...args], { cwd, maxBuffer: 2 ** 26 })).stderr;
  } catch (error) {
    const { stdout, stderr, message } = error as { stdout: string; stderr: string; message: string };
    throw new Error(`${stderr}${stdout}`.trim() || message, { cause: error });
  }
}

/**
 * Without what the compiler says of itself, without what it makes of the folder that
 * it works in (a part of the names of shared variables), in this version of PTX, and
 * without hints that the version has not: which bytes of a vector are used.
 */
const cleaned = (ptx: string, version: string): string =>
  ptx
    .slice(ptx.indexOf("\n.version ") + 1)
    .replace(/^\.version .*/, `.version ${version}`)
    .replace(/_INTERNAL_[0-9a-f]{8}_/g, "_INTERNAL_00000000_")
    .replace(/^\s*\.pragma "used_bytes_mask [^"]*";\n/gm, "");

function numberIn(text: string, pattern: RegExp): number {
  return Number(pattern.exec(text)?.[1] ?? 0);
}

/** The compiler, which works in this folder; undefined where it cannot be had. */
export function cudaCompiler(folder: string): CudaCompiler | undefined {
  const programs = (root: string): string => join(root, "nvidia/cu13/bin");
  const isThere = (root: string): boolean => {
    try {
      return execFileSync(join(programs(root), "nvcc"), ["--version"], { encoding: "utf8" }).includes(`V${compiler.version}`);
    } catch {
      return false;
    }
  };
  const root = fetched(
    "cuda",
    packages.map((name) => `${name}==${compiler.version}`),
    isThere,
  );
  if (root === undefined) return undefined;
  for (const [name, text] of Object.entries(kernelSources())) writeFileSync(join(folder, name), text);
  return {
    compile: async (kernel) => {
      const { capability } = kernels[kernel];
      writeFileSync(join(folder, `${kernel}.cu`), kernelText(kernel));
      const target = [`-arch=compute_${capability}`, `${kernel}.cu`, "-o", `${kernel}.raw`];
      await words(join(programs(root), "nvcc"), [...compiler.flags, ...target], folder);
      return cleaned(readFileSync(join(folder, `${kernel}.raw`), "utf8"), ptxVersions[capability]);
    },
    assemble: async (kernel, ptx, architecture) => {
      const stem = `${kernel}.${architecture}`;
      writeFileSync(join(folder, `${stem}.ptx`), ptx);
      const said = await words(
        join(programs(root), "ptxas"),
        ["-v", `-arch=sm_${architecture}`, `${stem}.ptx`, "-o", `${stem}.cubin`],
        folder,
      );
      return {
        registers: numberIn(said, /Used (\d+) registers/),
        shared_bytes: numberIn(said, /(\d+) bytes smem/),
        spill_bytes: numberIn(said, /(\d+) bytes spill stores/) + numberIn(said, /(\d+) bytes spill loads/),
        stack_bytes: numberIn(said, /(\d+) bytes stack frame/),
      };
    },
  };
}
