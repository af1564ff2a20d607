/**
 * The kernels' own text, and what is made of it: `npm run kernels` compiles it to PTX,
 * which is committed and shipped and which the driver compiles for the GPU that there
 * is. Each PTX begins with the digest of the sources that it was made from.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { digest, packageRoot, textsIn } from "../sources.ts";
import { cudaHeader } from "./fields.ts";
import { kernels, kernelText, type Kernel } from "./kernels.ts";

/** Where the PTX lies in the package. */
export const ptxPath = "ptx";

/** The compiler that makes the PTX, and what it is told besides the capability. */
export const compiler = { version: "13.5.37", flags: ["-ptx", "-std=c++17", "-O3"] } as const;

/** The version of PTX that each capability's text is in: the oldest that has what it uses, so that old drivers take it. */
export const ptxVersions: Readonly<Record<Kernel["capability"], string>> = { 75: "6.4", 80: "7.0" };

/** Every header by name, with the one made from the instruction table. */
export const kernelSources = (): Readonly<Record<string, string>> => ({
  ...textsIn("src/engines/cuda/kernels"),
  "instructions.h": cudaHeader(),
});

/** Changes whenever a kernel's PTX might. */
export function kernelsDigest(): string {
  const units = Object.entries(kernels).map(([name, { capability }]) => [name, capability, kernelText(name)]);
  return digest(JSON.stringify([kernelSources(), units, compiler, ptxVersions]));
}

/** What index.json says of the PTX beside it. */
export interface PtxIndex {
  /** Digest of the sources that the PTX was made from. */
  readonly digest: string;
  /** Digest of each kernel's PTX. */
  readonly kernels: Readonly<Record<string, string>>;
}

const read = (name: string): string => readFileSync(join(packageRoot(), ptxPath, name), "utf8");

/** The index of the PTX that this package has. */
export const ptxIndex = (): PtxIndex => JSON.parse(read("index.json")) as PtxIndex;

/** A kernel's PTX as it lies there. */
export const ptxOf = (kernel: string): string => read(`${kernel}.ptx`);

/** A kernel's entry point in its PTX. */
export const entryOf = (kernel: string): string => `${kernel}_kernel`;
