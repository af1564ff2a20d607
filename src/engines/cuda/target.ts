/**
 * What a GPU wants of a lowering: the whole batch at once unless that takes too much
 * memory, and logits that stay in its L2 cache unless that costs more than it saves. Both
 * follow from shapes alone, so that sums are the same in any stack.
 */
import type { ForwardOp, Ref } from "../../program/ops.ts";
import { shapeOf, type Program } from "../../program/program.ts";
import type { Target } from "../lowered/target.ts";
import { layout } from "./fields.ts";

/** How much the engine works on at once; tests and benches lower it. */
export interface CudaLimits {
  /** Floats of activations that a sequence group may leave for the backward pass. */
  readonly sequenceGroupFloats: number;
  /** Floats of logits, of all lanes that are worked on at once, that L2 holds beside what else a product reads. */
  readonly logitFloats: number;
  /** Floats of one lane's logits where L2 is not to hold them. */
  readonly looseLogitFloats: number;
  /** Steps whose batches are on the device at once: at most so many, and so many tokens in all. */
  readonly steps: number;
  readonly tokens: number;
  /** Floats of a lane's state that are copied at once, unless one matrix has more. */
  readonly spanFloats: number;
  /** Lanes that go through a step together. */
  readonly lanes: number;
  /** Blocks that fill the card, where they are not as many as it has multiprocessors. */
  readonly fullGrid?: number;
}
/** The limits on a card: 8 GB of activations; 32 MB of logits, which the L2 of an A100, an H100 and their successors holds, or 1 GB; all lanes. */
export const cardLimits: CudaLimits = {
  ...{ sequenceGroupFloats: 2 ** 31, logitFloats: 2 ** 23, looseLogitFloats: 2 ** 28 },
  ...{ steps: 256, tokens: 2 ** 22, spanFloats: 2 ** 22, lanes: Infinity },
};
/** Rows of a tile of a product: rows of logits come in whole tiles. */
const tileRows = 64;

function outputsOf(op: ForwardOp): readonly Ref[] {
  if (op.kind === "cross_entropy") return [];
  return op.kind === "norm_linear" ? [op.x, ...op.branches.map(({ out }) => out)] : [op.out];
}

/**
 * Every block of rows reads the readout's weights twice and adds to their gradient, 16 · width bytes for each word of the
 * vocabulary; logits that leave L2 are written twice and read three times, 20 bytes for each row and word. So narrow models
 * have few rows at once, which stay in L2, and wide ones many.
 */
function blockRowsOf(
  { logitFloats, looseLogitFloats }: Pick<CudaLimits, "logitFloats" | "looseLogitFloats">,
  rowFloats: number,
  width: number,
): number {
  const [tight, loose] = [logitFloats, looseLogitFloats].map((floats) => tileRows * Math.max(1, Math.floor(floats / rowFloats / tileRows)));
  return (16 * width) / tight <= 20 + (16 * width) / loose ? tight : loose;
}

/** How the engine wants programs lowered under its limits. */
export const cudaTarget = ({ sequenceGroupFloats, ...limits }: CudaLimits): Target => ({
  layout,
  sequenceGroupRows: (program: Program) => {
    const logits = program.forward.find((op) => op.kind === "cross_entropy")?.logits;
    const columns = program.forward
      .flatMap(outputsOf)
      .filter((ref) => ref !== logits)
      .reduce((sum, ref) => sum + (shapeOf(program, ref).at(-1) as number), 0);
    return Math.floor(sequenceGroupFloats / columns);
  },
  blockRows: (rowFloats, width) => blockRowsOf(limits, rowFloats, width),
});
