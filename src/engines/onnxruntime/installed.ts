/** Whether there is onnxruntime, which is an optional package, found out without loading it. */
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** The command that installs the package; its own install step would fetch CUDA libraries, which nothing here uses. */
export const installOnnxruntime = "npm install onnxruntime-node --ignore-scripts";

/** Why onnxruntime cannot be used, with the way out; undefined when it is installed. */
export function missingOnnxruntime(): string | undefined {
  try {
    require.resolve("onnxruntime-node/package.json");
    return undefined;
  } catch {
    return `onnxruntime-node is not installed; ${installOnnxruntime}`;
  }
}
