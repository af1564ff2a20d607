/** Mistakes are values: every one at once, each with a code, a place and a way out. */
import { plan, UserError, type Spec } from "mutransfer";
import { spec } from "./spec.ts";

const mistaken = { ...spec, width: { proxy: 15, target: 32 }, serch: {} } as unknown as Spec;
try {
  await plan(mistaken);
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  console.log(`kind: ${error.kind}`);
  for (const { code, path, message, hint } of error.diagnostics) console.log(`${code} at ${path}: ${message} (${hint})`);
}
