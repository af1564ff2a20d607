/** Tests that take long and look at what others look at from another side: CI runs them, and whoever asks for them. */
import { it } from "vitest";

/** A test that runs where MUTRANSFER_CI is set only. */
export const itInCi = it.skipIf(!process.env["MUTRANSFER_CI"]);
