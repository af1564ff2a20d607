/** Where the package lies and what its kernels are called: engines with kernels of their own know those by a digest of their text. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The package's name, as its package.json has it. */
const packageName = "mutransfer";

const isOurs = (folder: string): boolean => {
  const file = join(folder, "package.json");
  return existsSync(file) && (JSON.parse(readFileSync(file, "utf8")) as { name?: unknown }).name === packageName;
};

/** The package's own folder, from wherever this file runs: inside it, or in a bundle that leaves workers and kernels where they were installed. */
export function packageRoot(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); folder !== dirname(folder); folder = dirname(folder))
    if (isOurs(folder)) return folder;
  return dirname(createRequire(import.meta.url).resolve(`${packageName}/package.json`));
}

/** The package's version. */
export const packageVersion = (): string =>
  (JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8")) as { version: string }).version;

/** Every text in one of the package's folders, by name. */
export function textsIn(path: string): Readonly<Record<string, string>> {
  const folder = join(packageRoot(), path);
  const names = readdirSync(folder).sort();
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, name), "utf8")]));
}

/** sha256 of some bytes or text, in hex. */
export const digest = (data: string | Uint8Array): string => createHash("sha256").update(data).digest("hex");
