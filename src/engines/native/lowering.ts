/**
 * From the program's coarse ops to instructions for one lane. Residual sums ride on
 * the product or norm before them, and the readout runs in blocks of rows with its
 * loss and gradients, so that logits are never stored whole; a tensor that is to be
 * inspected is materialised instead.
 */
import { invariant } from "../../errors.ts";
import { dispatch, type BranchGradient, type Branch, type Kind, type Op, type OpOf, type Ref } from "../../program/ops.ts";
import { shapeOf, type Program } from "../../program/program.ts";
import type { Buffer, Instruction, Operand } from "./instructions.ts";
import { linesOf, matrixLines, rowLength, type Matrix } from "./memory.ts";
import type { Lane } from "./lane.ts";

/** Floats of logits that are worked on at once: they stay in a core's cache. */
const blockFloats = 2 ** 17;
/** Blocks are never lower than this: the readout's weights are read once per block. */
const blockRows = 128;

export interface Lowered {
  readonly instructions: readonly Instruction[];
  readonly buffers: ReadonlyMap<Ref, Operand>;
}

/** The parts of a step: `evaluate` is forward only, `inspect` also backward, `train` also the update. */
export type Purpose = "train" | "evaluate" | "inspect";

export function lower(program: Program, lane: Lane, purpose: Purpose, inspected: readonly Ref[] = []): Lowered {
  const lowering = new Lowering(program, lane, purpose, new Set(inspected));
  const ops: readonly Op[] = [
    ...program.forward,
    ...(purpose === "evaluate" ? [] : program.backward),
    ...(purpose === "train" ? program.updates : []),
  ];
  lowering.run(ops);
  return { instructions: lowering.instructions, buffers: lowering.operands };
}

type Norm = OpOf<"norm_linear">;

class Lowering {
  readonly instructions: Instruction[] = [];
  readonly operands = new Map<Ref, Operand>();
  readonly rows: number;
  readonly program: Program;
  readonly lane: Lane;
  readonly purpose: Purpose;
  /** The readout whose logits go into the loss and nowhere else: it is lowered together with the loss. */
  readonly readout: Norm | undefined;
  readonly lossGradient: Ref;
  private readonly inspected: ReadonlySet<Ref>;
  private readonly uses = new Map<Ref, number>();
  /** Sums that ride on the op that makes one of their terms, by that term. */
  private readonly riders = new Map<Ref, OpOf<"add">>();

  constructor(program: Program, lane: Lane, purpose: Purpose, inspected: ReadonlySet<Ref>) {
    this.program = program;
    this.lane = lane;
    this.purpose = purpose;
    this.inspected = inspected;
    this.rows = program.dims.batch * program.dims.context;
    this.lossGradient = program.backward.find((op) => op.kind === "cross_entropy_backward")?.dLogits as Ref;
    const logits = program.forward.find((op) => op.kind === "cross_entropy")?.logits as Ref;
    const readout = program.forward.find((op) => op.kind === "norm_linear" && op.branches.length === 1 && op.branches[0]?.out === logits);
    const hidden = !inspected.has(logits) && !inspected.has(this.lossGradient);
    this.readout = hidden && readout?.kind === "norm_linear" ? readout : undefined;
  }

  run(ops: readonly Op[]): void {
    for (const op of ops) for (const ref of readsOf(op)) this.uses.set(ref, (this.uses.get(ref) ?? 0) + 1);
    ops.forEach((op, index) => {
      const next = ops[index + 1];
      const made = op.kind === "linear" && !op.bias ? op.out : op.kind === "norm_linear_backward" ? op.dX : undefined;
      if (made !== undefined && next?.kind === "add" && (next.a === made || next.b === made) && this.passing(made))
        this.riders.set(made, next);
    });
    const riding = new Set<Op>(this.riders.values());
    for (const op of ops) if (!riding.has(op)) dispatch(rules, op, this);
  }

  emit(instruction: Instruction): void {
    this.instructions.push(instruction);
  }

  /** Nobody but the next op wants this tensor. */
  passing(ref: Ref): boolean {
    return this.uses.get(ref) === 1 && !this.inspected.has(ref);
  }

  /** Where the tensor that `made` becomes is written, and what is added to it on the way. */
  destination(made: Ref): { readonly out: Operand; readonly residual: Operand | undefined } {
    const sum = this.riders.get(made);
    if (!sum) return { out: this.operand(made), residual: undefined };
    return { out: this.operand(sum.out), residual: this.operand(sum.a === made ? sum.b : sum.a) };
  }

  operand(ref: Ref): Operand {
    const known = this.operands.get(ref) ?? this.lane.operand(ref);
    if (known) return known;
    const operand = this.temporary(matrixLines(this.matrix(ref)));
    this.operands.set(ref, operand);
    return operand;
  }
  optional(ref: Ref | undefined): Operand | undefined {
    return ref === undefined ? undefined : this.operand(ref);
  }
  temporary(lines: number): Operand {
    const buffer: Buffer = { lines };
    return { buffer, line: 0 };
  }
  /** Writes `ref`, of the same shape, over what nobody needs any longer if it can. */
  inPlace(ref: Ref, over: Ref): Operand {
    const operand = this.passing(over) && !this.inspected.has(ref) ? this.operand(over) : this.temporary(matrixLines(this.matrix(over)));
    this.operands.set(ref, operand);
    return operand;
  }

  /** A tensor of one lane as rows of its last axis. */
  matrix(ref: Ref): Matrix {
    const [, ...shape] = shapeOf(this.program, ref);
    const columns = shape.at(-1) ?? 1;
    return { rows: shape.slice(0, -1).reduce((a, b) => a * b, 1), columns };
  }

  /** out [rows, fanOut] = initial + x·(multiplier·gain ⊙ weight), from some row on. */
  forwardProduct(options: {
    x: Operand;
    weight: Ref;
    out: Operand;
    gain?: Ref;
    multiplier?: Ref | undefined;
    initial: Operand | undefined;
    initialRow: number;
    rows: number;
  }): void {
    const { rows: fanIn, columns: fanOut } = this.matrix(options.weight);
    this.emit({
      kind: "matrixProduct",
      a: options.x,
      b: this.operand(options.weight),
      gain: this.optional(options.gain),
      multiplier: this.optional(options.multiplier),
      initial: options.initial,
      out: options.out,
      aRow: rowLength(fanIn),
      aStep: 1,
      bRow: rowLength(fanOut),
      bTransposed: 0,
      initialRow: options.initialRow,
      rows: options.rows,
      columns: fanOut,
      depth: fanIn,
    });
  }

  /** dX [rows, fanIn] (+)= dOut·(multiplier·gain ⊙ weight)ᵀ. */
  inputGradient(options: {
    dOut: Operand;
    weight: Ref;
    dX: Operand;
    gain?: Ref;
    multiplier?: Ref | undefined;
    accumulate: boolean;
    rows: number;
  }): void {
    const { rows: fanIn, columns: fanOut } = this.matrix(options.weight);
    this.emit({
      kind: "matrixProduct",
      a: options.dOut,
      b: this.operand(options.weight),
      gain: this.optional(options.gain),
      multiplier: this.optional(options.multiplier),
      initial: options.accumulate ? options.dX : undefined,
      out: options.dX,
      aRow: rowLength(fanOut),
      aStep: 1,
      bRow: rowLength(fanOut),
      bTransposed: 1,
      initialRow: rowLength(fanIn),
      rows: options.rows,
      columns: fanIn,
      depth: fanOut,
    });
  }

  /** dWeight [fanIn, fanOut] (+)= xᵀ·dOut over some rows. */
  weightGradient(options: { x: Operand; dOut: Operand; dWeight: Operand; weight: Ref; accumulate: boolean; rows: number }): void {
    const { rows: fanIn, columns: fanOut } = this.matrix(options.weight);
    this.emit({
      kind: "matrixProduct",
      a: options.x,
      b: options.dOut,
      gain: undefined,
      multiplier: undefined,
      initial: options.accumulate ? options.dWeight : undefined,
      out: options.dWeight,
      aRow: 1,
      aStep: rowLength(fanIn),
      bRow: rowLength(fanOut),
      bTransposed: 0,
      initialRow: rowLength(fanOut),
      rows: fanIn,
      columns: fanOut,
      depth: options.rows,
    });
  }

  // ── norm_linear in its parts ─────────────────────────────────────────────

  /** Normalised x and inverse deviations, kept for the backward pass. */
  normalized(of: Norm): { readonly normal: Operand; readonly inverse: Operand; readonly width: number } {
    const matrix = this.matrix(of.x);
    const named = (name: string, lines: number): Operand => {
      const ref = `${name}:${of.branches[0]?.out ?? ""}`;
      const operand = this.operands.get(ref) ?? this.temporary(lines);
      this.operands.set(ref, operand);
      return operand;
    };
    return { normal: named("normal", matrixLines(matrix)), inverse: named("inverse", linesOf(this.rows)), width: matrix.columns };
  }

  normalize(of: Norm): void {
    const { normal, inverse, width } = this.normalized(of);
    this.emit({ kind: "normalize", x: this.operand(of.x), normal, inverse, width, rows: this.rows });
  }

  /** The row that a branch's biases add up to, or none. */
  biasRow(of: Norm, { weight, bias, multiplier }: Branch): Operand | undefined {
    if (!of.shift && !bias) return undefined;
    const { rows: fanIn, columns: fanOut } = this.matrix(weight);
    const out = this.temporary(matrixLines({ rows: 1, columns: fanOut }));
    this.emit({
      kind: "biasRow",
      shift: this.optional(of.shift),
      weight: this.operand(weight),
      bias: this.optional(bias),
      multiplier: this.optional(multiplier),
      out,
      fanIn,
      fanOut,
    });
    return out;
  }

  /** One branch's forward product for the rows of `block`. */
  branch(of: Norm, branch: Branch, biasRow: Operand | undefined, out: Operand, block: Rows): void {
    const { normal, width } = this.normalized(of);
    this.forwardProduct({
      x: from(normal, block.first, width),
      weight: branch.weight,
      out,
      gain: of.gain,
      multiplier: branch.multiplier,
      initial: biasRow,
      initialRow: 0,
      rows: block.count,
    });
  }

  /** One branch's share of the gradients, for the rows of `block`; norm gradients follow when all blocks are done. */
  branchBackward(of: Norm, branch: Branch, gradient: BranchTargets, dOut: Operand, block: Rows): void {
    const { normal, width } = this.normalized(of);
    const fanOut = this.matrix(branch.weight).columns;
    const rows = block.count;
    const x = from(normal, block.first, width);
    this.weightGradient({ x, dOut, dWeight: gradient.dWeight, weight: branch.weight, accumulate: block.first > 0, rows });
    if (gradient.dBias)
      this.emit({
        kind: "columnSum",
        x: dOut,
        multiplier: this.optional(branch.multiplier),
        out: gradient.dBias,
        rows,
        columns: fanOut,
        accumulate: Number(block.first > 0),
      });
    this.inputGradient({
      dOut,
      weight: branch.weight,
      dX: from(gradient.dNormal, block.first, width),
      gain: of.gain,
      multiplier: branch.multiplier,
      accumulate: gradient.addsToNormal,
      rows,
    });
  }

  /** Where the gradients of each branch go. */
  branchTargets(op: OpOf<"norm_linear_backward">): readonly BranchTargets[] {
    const { of } = op;
    const ref = `dNormal:${op.dX}`;
    const dNormal = this.operands.get(ref) ?? this.temporary(matrixLines(this.matrix(of.x)));
    this.operands.set(ref, dNormal);
    return op.branches.map((gradient: BranchGradient, index) => {
      const sums = `dBias:${gradient.dWeight}`;
      if (gradient.dBias === undefined && of.shift && !this.operands.has(sums))
        this.operands.set(sums, this.temporary(matrixLines({ rows: 1, columns: this.matrix(gradient.dWeight).columns })));
      return {
        dWeight: this.operand(gradient.dWeight),
        dBias: gradient.dBias === undefined ? this.operands.get(sums) : this.operand(gradient.dBias),
        dNormal,
        addsToNormal: index > 0,
      };
    });
  }

  /** Gains, shifts and the gradient that leaves the norm. */
  normBackward(op: OpOf<"norm_linear_backward">): void {
    const { of } = op;
    const targets = this.branchTargets(op);
    targets.forEach((target, index) => {
      const { weight, multiplier } = of.branches[index];
      const { rows: fanIn, columns: fanOut } = this.matrix(weight);
      this.emit({
        kind: "normGradients",
        gradient: target.dWeight,
        weight: this.operand(weight),
        gain: this.operand(of.gain),
        shift: this.optional(of.shift),
        dBias: target.dBias,
        multiplier: this.optional(multiplier),
        dGain: this.operand(op.dGain),
        dShift: this.optional(op.dShift),
        fanIn,
        fanOut,
        accumulate: Number(index > 0),
      });
    });
    const { normal, inverse, width } = this.normalized(of);
    const { out, residual } = this.destination(op.dX);
    const dNormal = targets[0]?.dNormal;
    this.emit({ kind: "normalizeBackward", dNormal, normal, inverse, residual, out, width, rows: this.rows });
  }

  // ── readout and loss in blocks of rows ───────────────────────────────────

  backwardOf(of: Norm): OpOf<"norm_linear_backward"> {
    const op = this.program.backward.find((each) => each.kind === "norm_linear_backward" && each.of === of);
    invariant(op?.kind === "norm_linear_backward", "backwardOf", "a norm_linear has no backward op");
    return op;
  }

  crossEntropy(logits: Operand, gradient: Operand | undefined, losses: Operand, block: Rows, vocabulary: number): void {
    this.emit({
      kind: "crossEntropy",
      logits,
      gradient,
      losses,
      firstRow: block.first,
      rows: block.count,
      totalRows: this.rows,
      vocabulary,
    });
  }

  readoutAndLoss(of: Norm, losses: Operand): void {
    const [branch] = of.branches as [Branch];
    const vocabulary = this.matrix(branch.weight).columns;
    const height = Math.max(blockRows, 16 * Math.floor(blockFloats / rowLength(vocabulary) / 16));
    const biasRow = this.biasRow(of, branch);
    const logits = this.temporary(matrixLines({ rows: Math.min(height, this.rows), columns: vocabulary }));
    const backward = this.purpose === "evaluate" ? undefined : this.backwardOf(of);
    const [targets] = backward ? this.branchTargets(backward) : [];
    for (let first = 0; first < this.rows; first += height) {
      const block = { first, count: Math.min(height, this.rows - first) };
      this.branch(of, branch, biasRow, logits, block);
      this.crossEntropy(logits, targets && logits, losses, block, vocabulary);
      if (targets) this.branchBackward(of, branch, targets, logits, block);
    }
  }
}

interface Rows {
  readonly first: number;
  readonly count: number;
}
interface BranchTargets {
  readonly dWeight: Operand;
  readonly dBias: Operand | undefined;
  readonly dNormal: Operand;
  readonly addsToNormal: boolean;
}

/** A matrix from a row on. */
function from({ buffer, line }: Operand, row: number, columns: number): Operand {
  return { buffer, line: line + matrixLines({ rows: row, columns }) };
}

type Rule<K extends Kind> = (op: OpOf<K>, l: Lowering) => void;

const rules: { readonly [K in Kind]: Rule<K> } = {
  embedding: ({ table, positions, multiplier, out }, l) =>
    l.emit({
      kind: "embed",
      table: l.operand(table),
      positions: l.operand(positions),
      multiplier: l.operand(multiplier),
      out: l.operand(out),
      width: l.matrix(out).columns,
      context: l.program.dims.context,
      rows: l.rows,
    }),
  embedding_backward: ({ of, dOut, dTable, dPositions }, l) =>
    l.emit({
      kind: "embedBackward",
      dOut: l.operand(dOut),
      multiplier: l.operand(of.multiplier),
      dTable: l.operand(dTable),
      dPositions: l.operand(dPositions),
      width: l.matrix(dOut).columns,
      vocabulary: l.matrix(dTable).rows,
      context: l.program.dims.context,
      rows: l.rows,
    }),
  norm_linear: (op, l) => {
    l.normalize(op);
    if (op === l.readout) return; // its products come with the loss
    for (const branch of op.branches) l.branch(op, branch, l.biasRow(op, branch), l.operand(branch.out), { first: 0, count: l.rows });
  },
  norm_linear_backward: (op, l) => {
    if (op.of !== l.readout)
      l.branchTargets(op).forEach((targets, index) => {
        const dOut = l.operand(op.branches[index].dOut);
        l.branchBackward(op.of, op.of.branches[index], targets, dOut, { first: 0, count: l.rows });
      });
    l.normBackward(op);
  },
  linear: ({ x, weight, bias, out: made }, l) => {
    const { out, residual } = l.destination(made);
    const initialRow = residual ? rowLength(l.matrix(weight).columns) : 0;
    l.forwardProduct({ x: l.operand(x), weight, out, initial: residual ?? l.optional(bias), initialRow, rows: l.rows });
  },
  linear_backward: ({ of, dOut, dX, dWeight, dBias }, l) => {
    const gradient = l.operand(dOut);
    l.weightGradient({
      x: l.operand(of.x),
      dOut: gradient,
      dWeight: l.operand(dWeight),
      weight: of.weight,
      accumulate: false,
      rows: l.rows,
    });
    if (dBias !== undefined)
      l.emit({
        kind: "columnSum",
        x: gradient,
        multiplier: undefined,
        out: l.operand(dBias),
        rows: l.rows,
        columns: l.matrix(dBias).columns,
        accumulate: 0,
      });
    l.inputGradient({ dOut: gradient, weight: of.weight, dX: l.operand(dX), accumulate: false, rows: l.rows });
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
  gelu: ({ x, out }, l) => {
    const from = l.operand(x);
    const derivative = l.purpose === "evaluate" ? undefined : l.inPlace(`derivative:${x}`, x);
    l.emit({ kind: "gelu", x: from, out: l.operand(out), derivative, lines: matrixLines(l.matrix(x)) });
  },
  gelu_backward: ({ of, dOut, dX }, l) => {
    const gradient = l.operand(dOut);
    const derivative = l.operands.get(`derivative:${of.x}`);
    l.emit({ kind: "multiplyElements", a: gradient, b: derivative, out: l.inPlace(dX, dOut), lines: matrixLines(l.matrix(dX)) });
  },
  add: ({ a, b, out }, l) =>
    l.emit({ kind: "add", a: l.operand(a), b: l.operand(b), out: l.operand(out), lines: matrixLines(l.matrix(out)) }),
  cross_entropy: ({ logits }, l) => {
    const losses = l.temporary(linesOf(l.rows));
    l.operands.set("losses", losses);
    if (l.readout) l.readoutAndLoss(l.readout, losses);
    else {
      const gradient = l.purpose === "evaluate" ? undefined : l.operand(l.lossGradient);
      l.crossEntropy(l.operand(logits), gradient, losses, { first: 0, count: l.rows }, l.matrix(logits).columns);
    }
    l.emit({ kind: "meanLoss", losses, rows: l.rows });
  },
  cross_entropy_backward: () => undefined, // done with the loss
  adamw: ({ parameter, gradient, learningRate, decay, epsilon }, l) => {
    const { weight, first, second } = l.lane.parameter(parameter);
    l.emit({
      kind: "adamw",
      weight,
      first,
      second,
      gradient: l.operand(gradient),
      learningRate: l.operand(learningRate),
      decay: l.optional(decay),
      epsilon: l.operand(epsilon),
      ...l.lane.betas,
      lines: weight.buffer.lines,
    });
  },
};

function attentionOperands(of: OpOf<"attention">, l: Lowering): Record<"query" | "key" | "value" | "stats", Operand> {
  const { query, key, value, heads } = of;
  const ref = `stats:${of.out}`;
  const stats = l.operands.get(ref) ?? l.temporary(2 * heads * l.program.dims.batch * linesOf(l.program.dims.context));
  l.operands.set(ref, stats);
  return { query: l.operand(query), key: l.operand(key), value: l.operand(value), stats };
}
function attentionSizes(of: OpOf<"attention">, l: Lowering): Record<"width" | "headDim" | "context" | "rows", number> {
  const width = l.matrix(of.out).columns;
  return { width, headDim: width / of.heads, context: l.program.dims.context, rows: l.rows };
}

/** Tensors an op reads, as far as fusing them away matters. */
function readsOf(op: Op): readonly Ref[] {
  const { kind, ...fields } = op;
  const written: readonly string[] = ["out", "of"];
  return Object.entries(fields).flatMap(([name, value]): Ref[] => {
    if (written.includes(name)) return [];
    if (Array.isArray(value))
      return (value as readonly (Branch | BranchGradient)[]).flatMap((branch) => ("dOut" in branch ? [branch.dOut] : []));
    if (name.startsWith("d") && name !== "dOut" && kind.endsWith("_backward")) return [];
    return typeof value === "string" ? [value] : [];
  });
}
