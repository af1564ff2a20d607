/** What a result depends on besides its spec: versions, engine, device, data. */
import { relative } from "node:path";
import type { Plan } from "../spec/plan.ts";
import type { Environment } from "../sweep/environment.ts";
import type { Setup } from "../sweep/stacking.ts";

export function environmentOf(plan: Plan, { version, device, products }: Setup, runFolder: string, mutransfer: string): Environment {
  return {
    mutransfer,
    node: process.version,
    engine: version + (products === "float32" ? "" : `, ${products} products`),
    device: `${device.kind}: ${device.name}`,
    data_hash: plan.dataset.hash,
    training_tokens: plan.dataset.train.count,
    data_directory: relative(runFolder, plan.directory) || ".",
  };
}
