/** What a lowering depends on besides the program: where it is to run. */
import type { Program } from "../../program/program.ts";
import type { Layout } from "./memory.ts";

export interface Target {
  readonly layout: Layout;
  /** Rows of the batch, in whole sequences, that go through forward and backward pass together: a function of shapes only, since sums follow it. */
  readonly groupRows: (program: Program) => number;
  /** Rows of logits, each of so many floats and made from so many, that are worked on at once: likewise. */
  readonly blockRows: (rowFloats: number, width: number) => number;
}
