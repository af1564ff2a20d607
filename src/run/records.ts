/**
 * What a run's journal says: which run it is, each trial as it ends, and what people
 * have decided since. Records are data; what they add up to is state.ts's business.
 */
import { z } from "zod";
import { engineNames } from "../engines/engine.ts";
import { isCompleteSpec, type CompleteSpec } from "../spec/complete.ts";
import { environmentSchema } from "./environment.ts";
import { trialResultSchema } from "./trial-result.ts";

/** The version of the journal's format that this program writes and reads. */
export const journalVersion = 3;

const spec = z.custom<CompleteSpec>(isCompleteSpec, "it is no spec that this version knows");

const runSchema = z.strictObject({
  record: z.literal("run"),
  version: z.literal(journalVersion),
  name: z.string(),
  spec,
  spec_hash: z.string(),
  engine: z.enum(engineNames),
  /** Version, products and kind of device: what results depend on besides spec and data. */
  arithmetic: z.string(),
  environment: environmentSchema,
});

const recordSchema = z.discriminatedUnion("record", [
  runSchema,
  z.strictObject({ record: z.literal("trial"), trial: trialResultSchema }),
  /** More trials or seeds than before; nothing else of the spec differs. */
  z.strictObject({ record: z.literal("extended"), spec, spec_hash: z.string() }),
  /** Trials whose results no longer count: they are trained again. */
  z.strictObject({ record: z.literal("again"), trials: z.array(z.int().nonnegative()) }),
]);

/** Any record of a journal. */
export type JournalRecord = z.infer<typeof recordSchema>;
/** The record that a journal begins with, which says what run it is. */
export type RunRecord = z.infer<typeof runSchema>;

/** A record, or what is wrong with it. */
export function checkRecord(data: unknown): JournalRecord | string {
  const parsed = recordSchema.safeParse(data);
  if (parsed.success) return parsed.data;
  const version = (data as { version?: unknown } | null)?.version;
  if (typeof version === "number" && version !== journalVersion)
    return `the journal has version ${version}, and this program knows version ${journalVersion}`;
  const { path, message } = parsed.error.issues[0];
  return `it is no record that this version knows (${[...path.map(String), message].join(": ")})`;
}
