/** What a run depends on besides its spec: versions, engine, device and data, as results.json and the journal hold them. */
import { z } from "zod";

/** The form in which records hold it. */
export const environmentSchema = z.strictObject({
  mutransfer: z.string(),
  node: z.string(),
  engine: z.string(),
  device: z.string(),
  data_hash: z.string(),
  /** How many there are to train on; absent from runs of older versions. */
  training_tokens: z.int().positive().exactOptional(),
  /** Folder that relative data paths start from, relative to the run folder. */
  data_directory: z.string(),
});
/** What a run depends on besides its spec. */
export type Environment = z.infer<typeof environmentSchema>;
