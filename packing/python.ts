/** Programs that pip fetches into node_modules: always the same versions, on every machine that has Python. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { packageRoot } from "../src/engines/sources.ts";

/** Whether Python runs these arguments to a good end. */
export function python(args: readonly string[], environment: NodeJS.ProcessEnv = process.env): boolean {
  try {
    execFileSync("python3", args, { stdio: "ignore", env: environment });
    return true;
  } catch {
    return false; // no Python, no pip, no network
  }
}

/** The folder that has these packages, fetched unless what `isThere` says of it is true; undefined where they cannot be had. */
export function fetched(name: string, packages: readonly string[], isThere: (folder: string) => boolean): string | undefined {
  const folder = join(packageRoot(), "node_modules/.cache", name);
  const install = ["-m", "pip", "install", "-q", "--upgrade", "--no-deps", "--target", folder, ...packages];
  return isThere(folder) || (python(install) && isThere(folder)) ? folder : undefined;
}
