/** What kernels take on trust: token ids, through which they read and write. */
import { invariant } from "../../errors.ts";
import { shapeOf, type Program } from "../../program/program.ts";
import type { Batches } from "../engine.ts";

/** The number of token ids that a program knows. */
export function vocabularyOf(program: Program): number {
  const loss = program.forward.at(-1);
  return loss?.kind === "cross_entropy" ? (shapeOf(program, loss.logits).at(-1) as number) : 0;
}

/** Throws when there are too few ids or one of them is outside the vocabulary. */
export function checkBatches({ dims }: Program, vocabulary: number, { count, tokens, targets }: Batches): void {
  for (const ids of [tokens, targets]) {
    invariant(
      ids.length === count * dims.batch * dims.context,
      "call",
      `${ids.length} ids, expected ${count}×${dims.batch}×${dims.context}`,
    );
    let highest = 0; // ids as unsigned numbers, so that negative ones are the highest
    for (let i = 0; i < ids.length; i++) if (ids[i] >>> 0 > highest) highest = ids[i] >>> 0;
    invariant(highest < vocabulary, "call", `token id ${highest | 0} is outside the vocabulary of ${vocabulary}`);
  }
}
