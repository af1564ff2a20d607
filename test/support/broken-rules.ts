/** μP's rules for width broken one at a time, which a coordinate check must find: what its tests and its calibration try. */
import type { Role } from "../../src/parametrization/roles.ts";
import { table, type Exponents } from "../../src/parametrization/table.ts";

type BrokenRule = readonly [role: Role, quantity: keyof Exponents, exponent: number];

/** Every rule that μP adds to SP, taken away. */
const removed = (Object.keys(table.mup) as Role[]).flatMap((role) =>
  (Object.keys(table.mup[role]) as (keyof Exponents)[])
    .filter((quantity) => table.mup[role][quantity] !== 0)
    .map((quantity): BrokenRule => [role, quantity, 0]),
);
/** Rules that μP does not have, added: what a table written by hand may get wrong. */
const added: readonly BrokenRule[] = [
  ["embedding", "multiplier", -0.5],
  ["embedding", "initStd", -0.5],
  ["embedding", "learningRate", -1],
  ["embedding", "weightDecay", 1],
  ["readout", "learningRate", -1],
  ["readout", "weightDecay", 1],
  ["norm", "learningRate", -1],
  ["bias", "learningRate", -1],
];

/** The role, the quantity, and the power of the width that it then has. */
export const brokenRules: readonly BrokenRule[] = [...removed, ...added];
