/**
 * From the program's coarse ops to instructions for one lane: a rule for each op.
 * Residual sums ride on the product or norm before them, and the readout runs with
 * its loss; a tensor that is to be inspected is materialised instead.
 */
import { dispatch, type Kind, type OpOf, type Ref } from "../../program/ops.ts";
import type { Program } from "../../program/program.ts";
import type { Instruction, Operand } from "./instructions.ts";
import type { LaneMemory } from "./lane-memory.ts";
import { headRules } from "./heads.ts";
import { Lowering, type Purpose, type Rule, type SequenceGroup } from "./lowering.ts";
import { biasRowOf, branchForward, branchGradients, branchTargets, normBackward, normalize } from "./norm.ts";
import { forwardProduct, productGradients } from "./products.ts";
import { clip, muon } from "./updates.ts";
import { crossEntropy, readoutAndLoss } from "./readout.ts";
import type { Target } from "./target.ts";

/** A lowered program: its instructions in order, and where the tensors lie that they leave. */
export interface Lowered {
  readonly instructions: readonly Instruction[];
  readonly buffers: ReadonlyMap<Ref, Operand>;
}

/** Lowers one part of a step for one lane; `inspected` are tensors that are to be found afterwards. */
export function lower(program: Program, target: Target, laneMemory: LaneMemory, purpose: Purpose, inspected: readonly Ref[] = []): Lowered {
  const lowering = new Lowering(program, target, laneMemory, purpose, new Set(inspected));
  const ops = lowering.survey([...program.forward, ...(purpose === "evaluate" ? [] : program.backward)]);
  for (const sequenceGroup of sequenceGroupsOf(program, target, purpose)) {
    lowering.begin(sequenceGroup);
    for (const op of ops) dispatch(rules, op, lowering);
  }
  const afterwards = purpose === "train" ? [...(program.clip ? [program.clip] : []), ...program.updates] : [];
  for (const op of afterwards) dispatch(rules, op, lowering);
  return { instructions: lowering.instructions, buffers: lowering.operands };
}

/**
 * The batch in groups of whole sequences that go through forward and backward pass one after the other,
 * adding to the same gradients: memory, and with it the traffic between caches, is that of one sequence group.
 */
function sequenceGroupsOf(program: Program, target: Target, purpose: Purpose): readonly SequenceGroup[] {
  const { batch, context } = program.dims;
  const wanted = purpose === "inspect" ? Infinity : target.sequenceGroupRows(program);
  const sequences = Math.min(batch, Math.max(1, Math.floor(wanted / context)));
  return Array.from({ length: Math.ceil(batch / sequences) }, (_, index) => ({
    firstRow: index * sequences * context,
    rows: Math.min(sequences, batch - index * sequences) * context,
    isFirst: index === 0,
    isLast: (index + 1) * sequences >= batch,
  }));
}

const rules: { readonly [K in Kind]: Rule<K> } = {
  embedding: ({ table, positions, multiplier, out }, l) =>
    l.emit({
      kind: "embed",
      table: l.operand(table),
      positions: l.optional(positions),
      multiplier: l.operand(multiplier),
      out: l.operand(out),
      width: l.matrix(out).columns,
      context: l.program.dims.context,
      firstRow: l.sequenceGroup.firstRow,
      rows: l.rows,
    }),
  embedding_backward: ({ of, dOut, dTable, dPositions }, l) =>
    l.emit({
      kind: "embedBackward",
      dOut: l.operand(dOut),
      multiplier: l.operand(of.multiplier),
      dTable: l.operand(dTable),
      dPositions: l.optional(dPositions),
      width: l.matrix(dOut).columns,
      vocabulary: l.matrix(dTable).rows,
      context: l.program.dims.context,
      firstRow: l.sequenceGroup.firstRow,
      rows: l.rows,
      accumulate: Number(!l.sequenceGroup.isFirst),
    }),
  // A parameter is turned before the first sequence group, a gradient after the last.
  transpose: ({ x, out }, l) => {
    const isParameter = l.laneMemory.operand(x) !== undefined;
    if (isParameter ? l.sequenceGroup.isFirst : l.sequenceGroup.isLast)
      l.emit({ kind: "transposeMatrix", x: l.operand(x), out: l.operand(out), ...l.matrix(x) });
  },
  norm_linear: (op, l) => {
    normalize(l, op);
    if (op === l.readout) return; // its products come with the loss
    for (const branch of op.branches)
      branchForward(l, op, branch, biasRowOf(l, op, branch), l.operand(branch.out), { first: 0, count: l.rows });
  },
  norm_linear_backward: (op, l) => {
    if (op.of !== l.readout)
      branchTargets(l, op).forEach((targets, index) => {
        const dOut = l.operand(op.branches[index].dOut);
        branchGradients(l, op.of, op.of.branches[index], targets, dOut, { first: 0, count: l.rows });
      });
    normBackward(l, op);
  },
  linear: ({ x, weight, bias, multiplier, out: made }, l) => {
    const { out, residual } = l.destination(made);
    const initialRow = residual ? l.rowLength(l.matrix(weight).columns) : 0;
    const scaledBias = multiplier ? biasRowOf(l, {}, { weight, ...(bias && { bias }), multiplier, out: made }) : l.optional(bias);
    forwardProduct(l, { x: l.operand(x), weight, out, multiplier, initial: residual ?? scaledBias, initialRow, rows: l.rows });
  },
  linear_backward: ({ of, dOut, dX, dWeight, dBias }, l) => {
    productGradients(l, {
      x: l.operand(of.x),
      weight: of.weight,
      multiplier: of.multiplier,
      scalesWeightGradient: true,
      dOut: l.operand(dOut),
      dWeight: l.operand(dWeight),
      dBias: l.optional(dBias),
      dX: l.operand(dX),
      addsToDx: false,
      isFirst: l.sequenceGroup.isFirst,
      rows: l.rows,
    });
  },
  ...headRules,
  gelu: elementwise,
  gelu_backward: timesDerivative,
  relu2: elementwise,
  relu2_backward: timesDerivative,
  swiglu: ({ gate, up, out }, l) =>
    l.emit({ kind: "swiglu", gate: l.operand(gate), up: l.operand(up), out: l.operand(out), lines: l.matrixLines(l.matrix(out)) }),
  swiglu_backward: ({ of, dOut, dGate, dUp }, l) => {
    const [gate, up] = [l.operand(of.gate), l.operand(of.up)];
    l.emit({
      kind: "swigluBackward",
      ...{ gate, up },
      dOut: l.operand(dOut),
      dGate: l.inPlace(dGate, of.gate),
      dUp: l.inPlace(dUp, of.up),
      lines: l.matrixLines(l.matrix(dOut)),
    });
  },
  // Gradients of parameters are whole with the last sequence group.
  add: ({ a, b, out }, l) => {
    if (l.isActivation(out) || l.sequenceGroup.isLast)
      l.emit({ kind: "add", a: l.operand(a), b: l.operand(b), out: l.operand(out), lines: l.matrixLines(l.matrix(out)) });
  },
  cross_entropy: ({ logits, zLoss }, l) => {
    const losses = l.operands.get("losses") ?? l.lasts("losses", l.temporary(l.linesOf(l.totalRows)));
    if (l.readout) readoutAndLoss(l, l.readout, losses, zLoss);
    else {
      const gradient = l.purpose === "evaluate" ? undefined : l.operand(l.lossGradient);
      const vocabulary = l.matrix(logits).columns;
      crossEntropy(l, l.operand(logits), gradient, losses, { first: 0, count: l.rows }, { vocabulary, zLoss });
    }
    if (l.sequenceGroup.isLast) l.emit({ kind: "meanLoss", losses, rows: l.totalRows });
  },
  cross_entropy_backward: () => undefined, // done with the loss
  clip,
  adamw: ({ parameter, gradient, scale, learningRate, decay, epsilon, beta1, beta2 }, l) => {
    const weight = l.operand(parameter);
    l.emit({
      kind: "adamw",
      weight,
      first: l.laneMemory.part(parameter, "firstMoment"),
      second: l.laneMemory.part(parameter, "secondMoment"),
      gradient: l.operand(gradient),
      scale: l.optional(scale),
      learningRate: l.operand(learningRate),
      decay: l.optional(decay),
      epsilon: l.operand(epsilon),
      beta1: l.laneMemory.constant(beta1),
      beta2: l.laneMemory.constant(beta2),
      lines: weight.buffer.lines,
    });
  },
  muon,
};

function elementwise({ kind, x, out }: OpOf<"gelu" | "relu2">, l: Lowering): void {
  const from = l.operand(x);
  const derivative = l.purpose === "evaluate" ? undefined : l.inPlace(`derivative:${x}`, x);
  l.emit({ kind, x: from, out: l.operand(out), derivative, lines: l.matrixLines(l.matrix(x)) });
}
function timesDerivative({ of, dOut, dX }: OpOf<"gelu_backward" | "relu2_backward">, l: Lowering): void {
  const gradient = l.operand(dOut);
  const derivative = l.operands.get(`derivative:${of.x}`);
  l.emit({ kind: "multiplyElements", a: gradient, b: derivative, out: l.inPlace(dX, dOut), lines: l.matrixLines(l.matrix(dX)) });
}
