/** What others may rely on in transfer.json. */
import { z } from "zod";
import { curveSchema, hyperparametersSchema } from "./trial-result.ts";

/** Fields that are not named here may be there and are left out. */
export const transferSchema = z.object({
  version: z.literal(1),
  spec_hash: z.string(),
  trial: z.int(),
  hyperparameters: hyperparametersSchema,
  width: z.int(),
  proxy_width: z.int(),
  parameters: z.int(),
  /** `untrained`: no better than an untrained model; `diverged`: worse. */
  status: z.enum(["completed", "untrained", "diverged"]),
  validation_loss: z.number().nullable(),
  proxy_validation_loss: z.number(),
  /** What an untrained model loses; absent in older files, as are the next two. */
  untrained_validation_loss: z.number().optional(),
  verdict: z.enum(["holds", "worse", "untrained", "diverged"]).optional(),
  /** What may be to blame, when it does not hold. */
  reasons: z.array(z.string()).optional(),
  curve: curveSchema,
});
/** What others may rely on in transfer.json. */
export type TransferRecord = z.infer<typeof transferSchema>;
