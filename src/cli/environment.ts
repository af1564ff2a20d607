/**
 * What a result depends on besides its spec: versions, engine, device, data. Also
 * where worker processes start.
 */
import { cpus } from "node:os";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { EngineName } from "../engines/engine.ts";
import { engines } from "../engines/registry.ts";
import type { Plan } from "../spec/plan.ts";
import type { Environment } from "../sweep/results.ts";

export const workerEntry = fileURLToPath(new URL("./worker.js", import.meta.url));

export function environmentOf(plan: Plan, engine: EngineName, runFolder: string, version: string, products: string): Environment {
  const { device } = engines[engine];
  return {
    mutransfer: version,
    node: process.version,
    engine: engines[engine].version() + (products === "float32" ? "" : `, ${products} products`),
    device: device === "cpu" ? `cpu: ${cpus()[0]?.model.trim() ?? "unknown"}` : device,
    data_hash: plan.dataset.hash,
    data_directory: relative(runFolder, plan.directory) || ".",
  };
}
