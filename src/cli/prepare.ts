/** Run by `npm ci` in a clone: makes the native engine ready, so that the first sweep need not. Never fails. */
import { EngineUnavailable } from "../engines/engine.ts";
import { engines } from "../engines/registry.ts";
import { engineHost } from "./files.ts";

await engines.native.open(engineHost()).catch((error: unknown) => {
  if (!(error instanceof EngineUnavailable)) throw error;
  console.error(`mutransfer will use onnxruntime: ${error.message}`);
});
