/**
 * What was timed to choose engine and stacks, kept in the run folder as probe.json: a
 * run that continues does so with the same engine and stacks. A damaged file counts as none.
 */
import { z } from "zod";
import { engineNames } from "../engines/engine.ts";
import { parseJsonText } from "../json.ts";
import type { OpenFolder } from "../run/open-folder.ts";
import { writeProbe } from "../run/outputs.ts";
import { runFiles } from "../run/run-folder.ts";
import type { Setup } from "./arrangements.ts";

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
  timed: z.array(
    z.object({
      ...{ engine: z.enum(engineNames), ...arrangement },
      ...{ secondsPerStep: z.number(), secondsPerSweepStep: z.number(), share: z.number().exactOptional() },
    }),
  ),
});
const fileSchema = z.object({ version: z.literal(version), setups: z.record(z.string(), setupSchema) });

/** Setups by the work that they were chosen for. */
export function recallSetups(folder: OpenFolder): Readonly<Record<string, Setup>> {
  const text = folder.text(runFiles.probe);
  try {
    return text === undefined ? {} : fileSchema.parse(parseJsonText(text)).setups;
  } catch {
    return {}; // damaged: timed again
  }
}

/** Keeps the setup for some work, beside those for other work. */
export function rememberSetup(folder: OpenFolder, key: string, setup: Setup): void {
  writeProbe(folder, { version, setups: { ...recallSetups(folder), [key]: setup } });
}
