/** The one compiler that makes all prebuilt kernels (zig cc): always the same version, so that packages are alike. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { packageRoot } from "../src/engines/native/sources.ts";

const version = "0.17.1";

export interface CrossCompiler {
  readonly program: string;
  /** Arguments before those of the compiler. */
  readonly words: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
}

/** Fetched by pip into node_modules unless it is there; undefined where it cannot be had. */
export function crossCompiler(): CrossCompiler | undefined {
  const folder = join(packageRoot(), "node_modules/.cache/ziglang");
  const environment = { ...process.env, PYTHONPATH: [folder, process.env["PYTHONPATH"]].filter(Boolean).join(delimiter) };
  const python = (args: readonly string[]): boolean => {
    try {
      execFileSync("python3", args, { stdio: "ignore", env: environment });
      return true;
    } catch {
      return false; // no Python, no pip, no network
    }
  };
  const isThere = (): boolean => existsSync(folder) && python(["-m", "ziglang", "version"]);
  const isHad = isThere() || (python(["-m", "pip", "install", "-q", "--target", folder, `ziglang==${version}`]) && isThere());
  return isHad ? { program: "python3", words: ["-m", "ziglang", "cc"], environment } : undefined;
}
