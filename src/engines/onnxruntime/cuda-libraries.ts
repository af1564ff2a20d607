/** Whether onnxruntime's CUDA provider is there; its libraries do not fit into the npm package and are fetched apart. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { arch, platform } from "node:os";
import { dirname, join } from "node:path";

const libraries = ["libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"];

/** The command that fetches them. */
export const fetchCudaProvider = (): string => `node ${join(packageFolder(), "script/install.js")} --onnxruntime-node-install`;

export function hasCudaProvider(): boolean {
  const folder = join(packageFolder(), "bin/napi-v6", platform(), arch());
  return libraries.every((name) => existsSync(join(folder, name)));
}

const packageFolder = (): string => dirname(createRequire(import.meta.url).resolve("onnxruntime-node/package.json"));
