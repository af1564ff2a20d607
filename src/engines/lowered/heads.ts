/** Rules for what is done head by head: queries and keys made ready, and attention. */
import type { OpOf } from "../../program/ops.ts";
import type { Operand } from "./instructions.ts";
import type { Lowering, Rule } from "./lowering.ts";

type HeadKind = "heads" | "heads_backward" | "attention" | "attention_backward";
/** The rule of each of them. */
export const headRules: { readonly [K in HeadKind]: Rule<K> } = {
  heads: (op, l) =>
    l.emit({
      kind: "turnHeads",
      x: l.operand(op.x),
      ...headOperands(op, l),
      out: l.inPlace(op.out, op.x),
    }),
  heads_backward: ({ of, dOut, dX, dGain }, l) => {
    const products = dGain === undefined ? undefined : l.temporary(l.matrixLines(l.matrix(of.x)));
    const from = l.operand(dOut);
    l.emit({
      kind: "turnHeadsBackward",
      dOut: from,
      x: of.gain ? l.operand(of.x) : undefined,
      ...headOperands(of, l),
      dX: l.inPlace(dX, dOut),
      products,
    });
    if (dGain === undefined) return;
    const { columns } = l.matrix(of.x);
    const sums = l.operands.get(`sums:${dGain}`) ?? l.lasts(`sums:${dGain}`, l.temporary(l.matrixLines({ rows: 1, columns })));
    const accumulate = Number(!l.sequenceGroup.isFirst);
    l.emit({ kind: "columnSum", x: products, multiplier: undefined, out: sums, rows: l.rows, columns, accumulate });
    if (l.sequenceGroup.isLast)
      l.emit({ kind: "foldHeads", x: sums, out: l.operand(dGain), headDim: of.headDim, heads: columns / of.headDim });
  },
  attention: (op, l) => l.emit({ kind: "attention", ...attentionOperands(op, l), out: l.operand(op.out), ...attentionSizes(op, l) }),
  attention_backward: ({ of, dOut, dQuery, dKey, dValue }, l) =>
    l.emit({
      kind: "attentionBackward",
      ...attentionOperands(of, l),
      dOut: l.operand(dOut),
      dQuery: l.operand(dQuery),
      dKey: l.operand(dKey),
      dValue: l.operand(dValue),
      ...attentionSizes(of, l),
    }),
};

type HeadFields = Record<"gain" | "multiplier" | "turns", Operand | undefined> & Record<"width" | "headDim" | "context" | "rows", number>;
function headOperands({ x, gain, multiplier, theta, headDim, ...op }: OpOf<"heads">, l: Lowering): HeadFields {
  return {
    gain: l.optional(gain),
    multiplier: l.optional(multiplier),
    turns: theta === undefined ? undefined : l.laneMemory.turnsOf({ ...op, x, headDim, theta }),
    ...{ width: l.matrix(x).columns, headDim, context: l.program.dims.context, rows: l.rows },
  };
}

function attentionOperands(of: OpOf<"attention">, l: Lowering): Record<"query" | "key" | "value" | "stats", Operand> {
  const { query, key, value, headDim } = of;
  const { context } = l.program.dims;
  const heads = l.matrix(query).columns / headDim;
  const stats = l.named(`stats:${of.out}`, 2 * heads * (l.rows / context) * l.linesOf(context));
  return { query: l.operand(query), key: l.operand(key), value: l.operand(value), stats };
}
function attentionSizes(
  { headDim, out, key }: OpOf<"attention">,
  l: Lowering,
): Record<"width" | "keyWidth" | "headDim" | "context" | "rows", number> {
  const [width, keyWidth] = [l.matrix(out).columns, l.matrix(key).columns];
  return { width, keyWidth, headDim, context: l.program.dims.context, rows: l.rows };
}
