/**
 * `npm run kernels`: compiles every kernel of the CUDA engine to PTX, assembles it for
 * the GPUs it is to run on, and writes both the PTX and what it takes of an SM. With
 * names of kernels (`node dist/packing/kernels.js products_f32_64 …`) it looks at
 * those and writes nothing. A kernel that spills registers where figures are kept is
 * refused; where it spills elsewhere is said.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pLimit from "p-limit";
import { kernels } from "../src/engines/cuda/kernels.ts";
import { kernelsDigest, ptxPath, type PtxIndex } from "../src/engines/cuda/sources.ts";
import { digest, packageRoot } from "../src/engines/sources.ts";
import { cudaCompiler, type CudaCompiler, type Resources } from "./cuda-compiler.ts";

/** Turing, Ampere, Ada, Hopper, Blackwell: every one must take the PTX. */
const architectures = [75, 80, 86, 89, 90, 100, 120] as const;
/** Those whose figures are kept. */
const measured: ReadonlySet<number> = new Set([80, 90, 120]);

interface Made {
  readonly ptx: string;
  readonly resources: Readonly<Record<string, Resources>>;
  /** Architectures without figures on which it spills. */
  readonly spilling: readonly string[];
}

/** One kernel, compiled and assembled for all architectures. */
async function make(compiler: CudaCompiler, kernel: string): Promise<Made> {
  const ptx = `// ${kernelsDigest()}\n${await compiler.compile(kernel)}`;
  const resources: Record<string, Resources> = {};
  const spilling: string[] = [];
  for (const architecture of architectures.filter((each) => each >= kernels[kernel].capability)) {
    const taken = await compiler.assemble(kernel, ptx, architecture);
    const spills = `${taken.spill_bytes} bytes on sm_${architecture}`;
    if (!measured.has(architecture)) spilling.push(...(taken.spill_bytes > 0 ? [spills] : []));
    else if (taken.spill_bytes > 0) throw new Error(`it spills ${spills}`);
    else resources[`sm_${architecture}`] = taken;
  }
  return { ptx, resources, spilling };
}

function printTable(made: ReadonlyMap<string, Made>): void {
  const row = (cells: readonly (string | number)[]): string =>
    cells.map((cell, index) => (index === 0 ? String(cell).padEnd(24) : String(cell).padStart(10))).join("");
  const columns = [...measured].map((architecture) => `sm_${architecture}`);
  console.log(row(["registers, shared bytes", ...columns.flatMap((each) => [each, ""]), "PTX KB"]));
  for (const [name, { ptx, resources, spilling }] of made) {
    const taken = columns.flatMap((each) => [resources[each].registers, resources[each].shared_bytes]);
    const stack = Math.max(...columns.map((each) => resources[each].stack_bytes));
    const remarks = [...(stack > 0 ? [`a stack of ${stack} bytes`] : []), ...spilling.map((spills) => `spills ${spills}`)];
    console.log([row([name, ...taken, Math.round(ptx.length / 1000)]), ...remarks].join("  "));
  }
  const bytes = [...made.values()].reduce((sum, { ptx }) => sum + ptx.length, 0);
  console.log(`${made.size} kernels, ${(bytes / 1e6).toFixed(2)} MB of PTX`);
}

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** Replaces what was made before. */
function write(made: ReadonlyMap<string, Made>): void {
  const folder = join(packageRoot(), ptxPath);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  for (const [name, { ptx }] of made) writeFileSync(join(folder, `${name}.ptx`), ptx);
  const index: PtxIndex = { digest: kernelsDigest(), kernels: Object.fromEntries([...made].map(([name, { ptx }]) => [name, digest(ptx)])) };
  writeFileSync(join(folder, "index.json"), json(index));
  const figures = Object.fromEntries([...made].map(([name, { resources }]) => [name, resources]));
  writeFileSync(join(packageRoot(), "bench/results/cuda-kernels.json"), json(figures));
}

const wanted = process.argv.slice(2);
const done = new Map<string, Made>();
const failed = new Map<string, string>();
const work = mkdtempSync(join(tmpdir(), "mutransfer-kernels-"));
try {
  const compiler = cudaCompiler(work);
  const limit = pLimit(2); // a compiler takes a core, and up to 1 GB
  const attempt = async (name: string): Promise<Made | Error> => {
    if (compiler === undefined) return new Error("pip cannot fetch nvcc");
    if (kernels[name] === undefined) return new Error("there is no such kernel");
    return make(compiler, name).catch((error: unknown) => error as Error);
  };
  const names = wanted.length > 0 ? wanted : Object.keys(kernels);
  const results = await Promise.all(names.map((name) => limit(attempt, name)));
  for (const [index, result] of results.entries())
    if (result instanceof Error) failed.set(names[index], result.message);
    else done.set(names[index], result);
} finally {
  rmSync(work, { recursive: true, force: true });
}
printTable(done);
for (const [name, reason] of failed) {
  const errors = reason.split("\n").filter((line) => /\b(error|fatal)\b/.test(line));
  console.error(`${name}: ${(errors.length > 0 ? errors.slice(0, 3) : [reason]).join("\n  ")}`);
}
if (failed.size > 0) process.exitCode = 1;
else if (wanted.length === 0) write(done);
