/** Run by `npm ci` in a clone: makes the native engine ready, so that the first sweep need not. Never fails. */
import { engineHost } from "../cache.ts";
import { engines } from "../engines/registry.ts";

await engines.native.open(engineHost()).catch((error: unknown) => {
  console.error(`mutransfer will use onnxruntime: ${(error as Error).message}`);
});
