/**
 * What lowering a program keeps track of: instructions so far, the buffer of each
 * tensor, and which tensors only pass from one op to the next, so that they need
 * no buffer of their own. The rules for each op are in lower.ts.
 */
import { dispatch, type Kind, type Op, type OpOf, type Ref } from "../../program/ops.ts";
import { shapeOf, type Program } from "../../program/program.ts";
import type { Buffer, Instruction, Operand } from "./instructions.ts";
import type { Lane } from "./lane.ts";
import { linesOf, matrixLines, matrixOf, rowLength, type Matrix } from "./memory.ts";
import type { Target } from "./target.ts";

/** The parts of a step: `evaluate` is forward only, `inspect` also backward, `train` also the update. */
export type Purpose = "train" | "evaluate" | "inspect";

/** Activations and gradients each op reads directly; what a backward op takes over from its forward op is not among them. */
const reads: { readonly [K in Kind]: (op: OpOf<K>) => readonly Ref[] } = {
  embedding: () => [],
  norm_linear: ({ x }) => [x],
  linear: ({ x }) => [x],
  attention: ({ query, key, value }) => [query, key, value],
  gelu: ({ x }) => [x],
  add: ({ a, b }) => [a, b],
  cross_entropy: ({ logits }) => [logits],
  embedding_backward: ({ dOut }) => [dOut],
  norm_linear_backward: ({ branches }) => branches.map(({ dOut }) => dOut),
  linear_backward: ({ dOut }) => [dOut],
  attention_backward: ({ dOut }) => [dOut],
  gelu_backward: ({ dOut }) => [dOut],
  cross_entropy_backward: () => [],
  adamw: ({ gradient }) => [gradient],
};

/** Some whole sequences of the batch. */
export interface Group {
  readonly firstRow: number;
  readonly rows: number;
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

export type Norm = OpOf<"norm_linear">;

export class Lowering {
  readonly instructions: Instruction[] = [];
  operands = new Map<Ref, Operand>();
  readonly program: Program;
  readonly target: Target;
  readonly lane: Lane;
  readonly purpose: Purpose;
  /** The readout whose logits go into the loss and nowhere else: it is lowered together with the loss. */
  readonly readout: Norm | undefined;
  readonly lossGradient: Ref;
  /** The sequences whose rows are being lowered. */
  group: Group;
  /** Tensors that outlive a group: gradients of parameters and what they are made from. */
  private readonly lasting = new Map<Ref, Operand>();
  private readonly inspected: ReadonlySet<Ref>;
  private readonly gradientsOfParameters = new Set<Ref>();
  private readonly uses = new Map<Ref, number>();
  /** Sums that ride on the op that makes one of their terms, by that term. */
  private readonly riders = new Map<Ref, OpOf<"add">>();

  constructor(program: Program, target: Target, lane: Lane, purpose: Purpose, inspected: ReadonlySet<Ref>) {
    this.program = program;
    this.target = target;
    this.lane = lane;
    this.purpose = purpose;
    this.inspected = inspected;
    this.group = { firstRow: 0, rows: 0, isFirst: true, isLast: true };
    for (const parameter of program.parameters) this.gradientsOfParameters.add(program.gradients.get(parameter) as Ref);
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
  /** Rows of the present group. */
  get rows(): number {
    return this.group.rows;
  }
  /** Starts a group: activations of the one before are forgotten, so that their memory is used again. */
  begin(group: Group): void {
    this.group = group;
    this.operands = new Map(this.lasting);
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
    const operand = this.temporary(this.matrixLines(this.matrix(ref)));
    return this.gradientsOfParameters.has(ref) ? this.lasts(ref, operand) : this.keep(ref, operand);
  }
  keep(ref: Ref, operand: Operand): Operand {
    this.operands.set(ref, operand);
    return operand;
  }
  lasts(ref: Ref, operand: Operand): Operand {
    this.lasting.set(ref, operand);
    return this.keep(ref, operand);
  }
  /** What one op of a group leaves for another that is no tensor of the program. */
  named(name: string, lines: number): Operand {
    return this.operands.get(name) ?? this.keep(name, this.temporary(lines));
  }
  optional(ref: Ref | undefined): Operand | undefined {
    return ref === undefined ? undefined : this.operand(ref);
  }
  temporary(lines: number): Operand {
    const buffer: Buffer = { lines };
    return { buffer, line: 0 };
  }
  /** Like `temporary`, for what is used up at once. */
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
    // An activation is [B, T, ·], and of those only the group's rows are in memory.
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
