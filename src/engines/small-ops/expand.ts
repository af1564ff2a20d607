/** Expands ops of a program into small ops, in order: the one table that knows every rule. */
import { dispatch, type Kind, type Op } from "../../program/ops.ts";
import { backwardRules } from "./backward.ts";
import type { Expansion, SmallOpsRule } from "./expansion.ts";
import { forwardRules } from "./forward.ts";
import { adamw, clip, muon } from "./update.ts";

const rules: { readonly [K in Kind]: SmallOpsRule<K> } = { ...forwardRules, ...backwardRules, clip, adamw, muon };

/** Expands ops in order. */
export function expand<V>(expansion: Expansion<V>, ops: readonly Op[]): void {
  for (const op of ops) dispatch(rules, op, expansion);
}
