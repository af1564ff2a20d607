/** What a result depends on besides its spec: versions, engine, device, data. */
import { relative } from "node:path";
import type { Environment } from "../run/environment.ts";
import type { Plan } from "../spec/plan.ts";
import type { Setup } from "./arrangements.ts";

/** The versions of this program and of Node, as records name them. */
export type Versions = Pick<Environment, "mutransfer" | "node">;

/** What a run with this setup depends on; `runFolder` is an absolute path. */
export function environmentOf(plan: Plan, { version, device, products }: Setup, runFolder: string, versions: Versions): Environment {
  return {
    mutransfer: versions.mutransfer,
    node: versions.node,
    engine: version + (products === "float32" ? "" : `, ${products} products`),
    device: `${device.kind}: ${device.name}`,
    data_hash: plan.dataset.hash,
    training_tokens: plan.dataset.train.count,
    data_directory: relative(runFolder, plan.directory) || ".",
  };
}

/** What a run's results depend on besides its spec and its data, in one line: a run keeps to the one that it was begun with. */
export const arithmeticOf = ({ engine }: Environment, { device }: Setup): string => `${engine}, ${device.kind}`;
