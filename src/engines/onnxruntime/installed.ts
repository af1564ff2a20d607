/** What there is of onnxruntime, found out without loading it: the optional package, and its CUDA provider, which is fetched apart. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { arch, platform } from "node:os";
import { dirname, join } from "node:path";

const require = createRequire(import.meta.url);
const libraries = ["libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"];

/** The command that installs the package; its own install step would fetch CUDA libraries, from a host that not everybody reaches. */
export const installOnnxruntime = "npm install onnxruntime-node --ignore-scripts";

function packageFolder(): string | undefined {
  try {
    return dirname(require.resolve("onnxruntime-node/package.json"));
  } catch {
    return undefined; // not installed
  }
}

/** Why onnxruntime cannot be used, with the way out; undefined when it is installed. */
export const missingOnnxruntime = (): string | undefined =>
  packageFolder() === undefined ? `onnxruntime-node is not installed; ${installOnnxruntime}` : undefined;

/** Why its CUDA provider cannot be used, with the way out; undefined when it is there. */
export function missingCudaProvider(): string | undefined {
  const folder = packageFolder();
  if (folder === undefined) return missingOnnxruntime();
  if (libraries.every((name) => existsSync(join(folder, "bin/napi-v6", platform(), arch(), name)))) return undefined;
  return `onnxruntime's CUDA libraries are missing; fetch them with: node ${join(folder, "script/install.js")} --onnxruntime-node-install`;
}
