/** Whether onnxruntime's CUDA provider is there; its libraries do not fit into the npm package and are fetched apart. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { arch, platform } from "node:os";
import { dirname, join } from "node:path";

const libraries = ["libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"];

/** What is missing, with the command that fetches it; undefined when nothing is. */
export function missingCudaProvider(): string | undefined {
  const folder = join(packageFolder(), "bin/napi-v6", platform(), arch());
  if (libraries.every((name) => existsSync(join(folder, name)))) return undefined;
  return `onnxruntime's CUDA libraries are missing; fetch them with: node ${join(packageFolder(), "script/install.js")} --onnxruntime-node-install`;
}

const packageFolder = (): string => dirname(createRequire(import.meta.url).resolve("onnxruntime-node/package.json"));
