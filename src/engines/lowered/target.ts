/** What a lowering depends on besides the program: where it is to run. */
import type { Program } from "../../program/program.ts";
import type { RowLayout } from "./memory.ts";

/** How an engine wants programs lowered. */
export interface Target {
  readonly layout: RowLayout;
  /** Rows of the batch, in whole sequences, that go through forward and backward pass together: a function of shapes only, since sums follow it. */
  readonly sequenceGroupRows: (program: Program) => number;
  /** Rows of logits, each of `rowFloats` floats and made from `width` of them, that are worked on at once: a function of shapes only, for the same reason. */
  readonly blockRows: (rowFloats: number, width: number) => number;
}
