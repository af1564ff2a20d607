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
  status: z.enum(["completed", "diverged"]),
  validation_loss: z.number().nullable(),
  proxy_validation_loss: z.number(),
  curve: curveSchema,
});
/** What others may rely on in transfer.json. */
export type TransferRecord = z.infer<typeof transferSchema>;
