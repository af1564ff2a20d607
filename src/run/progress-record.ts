/** The form of progress.json: what is in training now. It is for people who watch a run; nothing is decided by it, and it is gone when nothing trains. */
import { z } from "zod";

const amount = z.number().nonnegative();
const step = z.int().nonnegative();

export const progressSchema = z.object({
  version: z.literal(1),
  /** What is trained, where that is not the run's own sweep. */
  besides: z.object({ kind: z.enum(["check", "target"]), name: z.string() }).optional(),
  fraction: z.number().min(0).max(1),
  steps_per_second: amount.nullable(),
  seconds_left: amount.nullable(),
  stacks: z.array(
    z.object({
      step,
      trainings: z.array(
        z.object({
          trial: z.int(),
          seed: z.int(),
          curve: z.array(z.object({ step, validation_loss: z.number().nullable() })),
        }),
      ),
    }),
  ),
});
/** What is in training now. */
export type ProgressRecord = z.infer<typeof progressSchema>;
