/** Where the package lies and what its kernels are called: engines with kernels of their own know those by a digest of their text. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The package's own folder, from wherever this file runs. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

/** Every text in one of the package's folders, by name. */
export function textsIn(path: string): Readonly<Record<string, string>> {
  const folder = join(packageRoot(), path);
  const names = readdirSync(folder).sort();
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, name), "utf8")]));
}

/** sha256 of some bytes or text, in hex. */
export const digest = (data: string | Uint8Array): string => createHash("sha256").update(data).digest("hex");
