/**
 * What was timed to choose engine and stacks, kept in the run folder as probe.json: a
 * run that continues does so with the same engine and stacks. A damaged file counts as none.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { engineNames } from "../engines/engine.ts";
import { jsonText, parseJsonText } from "../report/json.ts";
import { writeAtomically } from "../sweep/run-dir.ts";
import type { Setup } from "../sweep/stacking.ts";

const fileName = "probe.json";
const version = 1;

const arrangement = { stackSize: z.int().positive(), jobs: z.int().positive(), threads: z.int().positive() };
const setupSchema = z.object({
  engine: z.enum(engineNames),
  version: z.string(),
  device: z.object({
    kind: z.enum(["cpu", "gpu"]),
    name: z.string(),
    memoryBytes: z.number(),
    tensorBytes: z.number().exactOptional(),
    mixedProducts: z.string().exactOptional(),
  }),
  products: z.string(),
  reason: z.string(),
  arrangement: z.object(arrangement),
  timed: z.array(z.object({ engine: z.enum(engineNames), ...arrangement, secondsPerStep: z.number(), secondsPerSweepStep: z.number() })),
});
const fileSchema = z.object({ version: z.literal(version), setups: z.record(z.string(), setupSchema) });

/** Setups by the work that they were chosen for. */
export function recallSetups(folder: string): Readonly<Record<string, Setup>> {
  try {
    return fileSchema.parse(parseJsonText(readFileSync(join(folder, fileName), "utf8"))).setups;
  } catch {
    return {}; // absent or damaged: timed again
  }
}

export function rememberSetup(folder: string, key: string, setup: Setup): void {
  writeAtomically(join(folder, fileName), [jsonText({ version, setups: { ...recallSetups(folder), [key]: setup } })]);
}
