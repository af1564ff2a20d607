/** The kernels' own text: what every form of them is made from, and the name of that text. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { instructionHeader } from "./instructions.ts";

/** The package's own folder, from wherever this file runs. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

/** Every source by name, with the header made from the instruction table. */
export function kernelSources(): Readonly<Record<string, string>> {
  const folder = join(packageRoot(), "src/engines/native/kernels");
  const written = readdirSync(folder)
    .sort()
    .map((name) => [name, readFileSync(join(folder, name), "utf8")] as const);
  return Object.fromEntries([...written, ["instructions.h", instructionHeader()]]);
}

export const digest = (data: string | Uint8Array): string => createHash("sha256").update(data).digest("hex");

/** Changes whenever a kernel does. */
export const sourcesDigest = (): string => digest(JSON.stringify(kernelSources())).slice(0, 8);

/** Flags of every build; what it is built for comes after them. */
export const commonFlags: readonly string[] = [
  ...["-O3", "-std=gnu11", "-fvisibility=hidden"],
  // Sums keep their order; only a·b + c may become one operation, and √ needs no errno.
  ...["-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math"],
];
