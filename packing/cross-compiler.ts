/** The one compiler that makes all prebuilt kernels (zig cc): always the same version, so that packages are alike. */
import { existsSync } from "node:fs";
import { delimiter } from "node:path";
import { fetched, python } from "./python.ts";

const version = "0.17.1";

export interface CrossCompiler {
  readonly program: string;
  /** Arguments before those of the compiler. */
  readonly words: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
}

/** Fetched unless it is there; undefined where it cannot be had. */
export function crossCompiler(): CrossCompiler | undefined {
  const environmentOf = (folder: string): NodeJS.ProcessEnv => ({
    ...process.env,
    PYTHONPATH: [folder, process.env["PYTHONPATH"]].filter(Boolean).join(delimiter),
  });
  const isThere = (folder: string): boolean => existsSync(folder) && python(["-m", "ziglang", "version"], environmentOf(folder));
  const folder = fetched("ziglang", [`ziglang==${version}`], isThere);
  return folder === undefined ? undefined : { program: "python3", words: ["-m", "ziglang", "cc"], environment: environmentOf(folder) };
}
