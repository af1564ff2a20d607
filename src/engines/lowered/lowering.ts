/**
 * What lowering a program keeps track of: instructions so far, the buffer of each
 * tensor, and which tensors only pass from one op to the next, so that they need
 * no buffer of their own. The rules for each op are in lower.ts.
 */
import { dispatch, type Kind, type Op, type OpOf, type Ref } from "../../program/ops.ts";
import { shapeOf, type Program } from "../../program/program.ts";
import type { Buffer, Instruction, Operand } from "./instructions.ts";
import type { LaneMemory } from "./lane-memory.ts";
import { linesOf, matrixLines, matrixOf, rowLength, type Matrix } from "./memory.ts";
import type { Target } from "./target.ts";

/** The parts of a step: `evaluate` is forward only, `inspect` also backward, `train` also the update. */
export type Purpose = "train" | "evaluate" | "inspect";

/** Activations and gradients each op reads directly; what a backward op takes over from its forward op is not among them. */
const reads: { readonly [K in Kind]: (op: OpOf<K>) => readonly Ref[] } = {
  embedding: () => [],
  transpose: ({ x }) => [x],
  norm_linear: ({ x }) => [x],
  linear: ({ x }) => [x],
  heads: ({ x }) => [x],
  attention: ({ query, key, value }) => [query, key, value],
  gelu: ({ x }) => [x],
  relu2: ({ x }) => [x],
  swiglu: ({ gate, up }) => [gate, up],
  add: ({ a, b }) => [a, b],
  cross_entropy: ({ logits }) => [logits],
  embedding_backward: ({ dOut }) => [dOut],
  norm_linear_backward: ({ branches }) => branches.map(({ dOut }) => dOut),
  linear_backward: ({ dOut }) => [dOut],
  heads_backward: ({ of, dOut }) => [dOut, ...(of.gain ? [of.x] : [])],
  attention_backward: ({ dOut }) => [dOut],
  gelu_backward: ({ dOut }) => [dOut],
  relu2_backward: ({ dOut }) => [dOut],
  swiglu_backward: ({ dOut }) => [dOut],
  cross_entropy_backward: () => [],
  clip: ({ gradients }) => gradients,
  adamw: ({ gradient }) => [gradient],
  muon: ({ gradient }) => [gradient],
};

/** Some whole sequences of the batch, whose rows are lowered together. */
export interface SequenceGroup {
  readonly firstRow: number;
  readonly rows: number;
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

/** The op whose norm is folded into the products behind it. */
export type Norm = OpOf<"norm_linear">;

/** The state of one lowering: what has been emitted, and where each tensor lies. */
export class Lowering {
  readonly instructions: Instruction[] = [];
  operands = new Map<Ref, Operand>();
  readonly program: Program;
  readonly target: Target;
  readonly laneMemory: LaneMemory;
  readonly purpose: Purpose;
  /** The readout whose logits go into the loss and nowhere else: it is lowered together with the loss. */
  readonly readout: Norm | undefined;
  readonly lossGradient: Ref;
  /** The sequences whose rows are being lowered now. */
  sequenceGroup: SequenceGroup;
  /** Tensors that outlive a sequence group: what is no activation, and what parameters' gradients are made from. */
  private readonly lasting = new Map<Ref, Operand>();
  private readonly inspected: ReadonlySet<Ref>;
  private readonly uses = new Map<Ref, number>();
  /** Sums that ride on the op that makes one of their terms, by that term. */
  private readonly riders = new Map<Ref, OpOf<"add">>();

  constructor(program: Program, target: Target, laneMemory: LaneMemory, purpose: Purpose, inspected: ReadonlySet<Ref>) {
    this.program = program;
    this.target = target;
    this.laneMemory = laneMemory;
    this.purpose = purpose;
    this.inspected = inspected;
    this.sequenceGroup = { firstRow: 0, rows: 0, isFirst: true, isLast: true };
    this.lossGradient = program.backward.find((op) => op.kind === "cross_entropy_backward")?.dLogits as Ref;
    const logits = program.forward.find((op) => op.kind === "cross_entropy")?.logits as Ref;
    const readout = program.forward.find((op) => op.kind === "norm_linear" && op.branches.length === 1 && op.branches[0]?.out === logits);
    const hidden = !inspected.has(logits) && !inspected.has(this.lossGradient);
    this.readout = hidden && readout?.kind === "norm_linear" ? readout : undefined;
  }

  /** Finds out who reads what, and which sums can ride; returns the ops that are left to lower. */
  survey(ops: readonly Op[]): readonly Op[] {
    for (const op of ops) for (const ref of dispatch(reads, op)) this.uses.set(ref, (this.uses.get(ref) ?? 0) + 1);
    ops.forEach((op, index) => {
      const next = ops[index + 1];
      const made = op.kind === "linear" && !op.bias ? op.out : op.kind === "norm_linear_backward" ? op.dX : undefined;
      if (made !== undefined && next?.kind === "add" && (next.a === made || next.b === made) && this.passing(made))
        this.riders.set(made, next);
    });
    const riding = new Set<Op>(this.riders.values());
    return ops.filter((op) => !riding.has(op));
  }

  /** Rows of the whole batch. */
  get totalRows(): number {
    return this.program.dims.batch * this.program.dims.context;
  }
  /** Rows of the present sequence group. */
  get rows(): number {
    return this.sequenceGroup.rows;
  }
  /** Starts a sequence group: activations of the one before are forgotten, so that their memory is used again. */
  begin(sequenceGroup: SequenceGroup): void {
    this.sequenceGroup = sequenceGroup;
    this.operands = new Map(this.lasting);
  }

  /** Adds an instruction to those so far. */
  emit(instruction: Instruction): void {
    this.instructions.push(instruction);
  }

  /** Whether nobody but the next op wants this tensor. */
  passing(ref: Ref): boolean {
    return this.uses.get(ref) === 1 && !this.inspected.has(ref);
  }

  /** Where the tensor that `made` becomes is written, and what is added to it on the way. */
  destination(made: Ref): { readonly out: Operand; readonly residual: Operand | undefined } {
    const sum = this.riders.get(made);
    if (!sum) return { out: this.operand(made), residual: undefined };
    return { out: this.operand(sum.out), residual: this.operand(sum.a === made ? sum.b : sum.a) };
  }

  /** Where a tensor lies; one that lies nowhere yet gets a temporary buffer. */
  operand(ref: Ref): Operand {
    const known = this.operands.get(ref) ?? this.laneMemory.operand(ref);
    if (known) return known;
    const operand = this.temporary(this.matrixLines(this.matrix(ref)));
    return this.isActivation(ref) ? this.keep(ref, operand) : this.lasts(ref, operand);
  }
  /** Whether a tensor has a part for each sequence: [N, B, T, ·]. */
  isActivation(ref: Ref): boolean {
    return shapeOf(this.program, ref).length === 4;
  }
  /** Notes where a tensor lies, until the sequence group ends. */
  keep(ref: Ref, operand: Operand): Operand {
    this.operands.set(ref, operand);
    return operand;
  }
  /** Notes where a tensor lies that outlives the sequence group. */
  lasts(ref: Ref, operand: Operand): Operand {
    this.lasting.set(ref, operand);
    return this.keep(ref, operand);
  }
  /** What one op leaves for another of the same sequence group that is no tensor of the program. */
  named(name: string, lines: number): Operand {
    return this.operands.get(name) ?? this.keep(name, this.temporary(lines));
  }
  /** Where a tensor lies that an op may lack. */
  optional(ref: Ref | undefined): Operand | undefined {
    return ref === undefined ? undefined : this.operand(ref);
  }
  /** A new buffer of so many lines. */
  temporary(lines: number): Operand {
    const buffer: Buffer = { lines };
    return { buffer, line: 0 };
  }
  /** A new buffer like a temporary one, for what is used up at once. */
  fleeting(lines: number): Operand {
    return { buffer: { lines, isFleeting: true }, line: 0 };
  }
  /** Writes `ref`, of the same shape, over what nobody needs any longer if it can. */
  inPlace(ref: Ref, over: Ref): Operand {
    const operand =
      this.passing(over) && !this.inspected.has(ref) ? this.operand(over) : this.temporary(this.matrixLines(this.matrix(over)));
    return this.keep(ref, operand);
  }

  /** A tensor of one lane as rows of its last axis. */
  matrix(ref: Ref): Matrix {
    const [, ...shape] = shapeOf(this.program, ref);
    const whole = matrixOf(shape);
    // An activation is [B, T, ·], and of those only the sequence group's rows are in memory.
    return shape.length === 3 ? { ...whole, rows: this.rows } : whole;
  }
  linesOf(floats: number): number {
    return linesOf(this.target.layout, floats);
  }
  rowLength(columns: number): number {
    return rowLength(this.target.layout, columns);
  }
  matrixLines(matrix: Matrix): number {
    return matrixLines(this.target.layout, matrix);
  }
}

/** Lowers one kind of op. */
export type Rule<K extends Kind> = (op: OpOf<K>, l: Lowering) => void;
