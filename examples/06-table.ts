/** What each tensor gets at a width. */
import { table } from "mutransfer";
import { spec } from "./spec.ts";

const { tensors } = await table(spec, { width: 64 });
for (const { name, role, learning_rate, init_std } of tensors.tensors)
  console.log(`${name} (${role}): learning rate ${learning_rate}, initial std ${init_std}`);
