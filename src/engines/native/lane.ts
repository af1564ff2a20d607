/**
 * One trial's state as a block of memory: scalars, weights and moments, each on
 * lines of its own, and the copies between it and the engine contract's arrays.
 */
import { invariant } from "../../errors.ts";
import type { Ref } from "../../program/ops.ts";
import { shapeOf, sizeOf, type Program } from "../../program/program.ts";
import type { ParameterState, State } from "../engine.ts";
import { lineFloats, type Operand } from "./instructions.ts";
import { gatherRows, matrixLines, matrixOf, scatterRows, type Matrix } from "./memory.ts";

const parts = ["weight", "firstMoment", "secondMoment"] as const satisfies readonly (keyof ParameterState)[];

interface Stored {
  readonly matrix: Matrix;
  readonly operand: Operand;
}

export class Lane {
  readonly betas: { readonly beta1: Operand; readonly beta2: Operand };
  private readonly program: Program;
  private readonly scalars: ReadonlyMap<Ref, Operand>;
  private readonly parameters: ReadonlyMap<Ref, Readonly<Record<(typeof parts)[number], Stored>>>;
  private lines = 0;

  constructor(program: Program) {
    this.program = program;
    this.betas = { beta1: this.take(1), beta2: this.take(1) };
    this.scalars = new Map(program.scalars.map((ref) => [ref, this.take(1)]));
    this.parameters = new Map(
      program.parameters.map((ref) => {
        const [, ...shape] = shapeOf(program, ref);
        const matrix = matrixOf(shape);
        const stored = (): Stored => ({ matrix, operand: this.take(matrixLines(matrix)) });
        return [ref, { weight: stored(), firstMoment: stored(), secondMoment: stored() }];
      }),
    );
  }

  /** Floats of one lane. */
  get floats(): number {
    return this.lines * lineFloats;
  }

  /** A scalar or a parameter's weight, or nothing for other tensors. */
  operand(ref: Ref): Operand | undefined {
    return this.scalars.get(ref) ?? this.parameters.get(ref)?.weight.operand;
  }

  parameter(ref: Ref): { readonly weight: Operand; readonly first: Operand; readonly second: Operand } {
    const stored = this.parameters.get(ref);
    invariant(stored, "parameter", `the program has no parameter ${ref}`);
    return { weight: stored.weight.operand, first: stored.firstMoment.operand, second: stored.secondMoment.operand };
  }

  /** Copies lane `index` of a state into its memory. */
  load(state: State, index: number, memory: Float32Array): void {
    const set = ({ buffer }: Operand, value: number): void => void (memory[(buffer.lanePosition as number) * lineFloats] = value);
    set(this.betas.beta1, this.program.beta1);
    set(this.betas.beta2, this.program.beta2);
    for (const [ref, operand] of this.scalars) set(operand, valueOf(state.scalars, ref)[index]);
    for (const [ref, stored] of this.parameters)
      for (const part of parts) {
        const values = valueOf(state.parameters, ref)[part];
        const expected = sizeOf(shapeOf(this.program, ref));
        invariant(values.length === expected, "load", `${ref} has ${values.length} values, expected ${expected}`);
        const { matrix, operand } = stored[part];
        const size = matrix.rows * matrix.columns;
        scatterRows(values.subarray(index * size, (index + 1) * size), matrix, view(memory, operand));
      }
  }

  /** Copies a lane's parameters into lane `index` of `into`. */
  read(memory: Float32Array, index: number, into: ReadonlyMap<Ref, ParameterState>): void {
    for (const [ref, stored] of this.parameters)
      for (const part of parts) {
        const { matrix, operand } = stored[part];
        const size = matrix.rows * matrix.columns;
        gatherRows(view(memory, operand), matrix, valueOf(into, ref)[part].subarray(index * size, (index + 1) * size));
      }
  }

  private take(lines: number): Operand {
    const operand = { buffer: { lines, lanePosition: this.lines }, line: 0 };
    this.lines += lines;
    return operand;
  }
}

function view(memory: Float32Array, { buffer }: Operand): Float32Array {
  const begin = (buffer.lanePosition as number) * lineFloats;
  return memory.subarray(begin, begin + buffer.lines * lineFloats);
}

function valueOf<T>(map: ReadonlyMap<Ref, T>, ref: Ref): T {
  const value = map.get(ref);
  invariant(value !== undefined, "load", `the state has no ${ref}`);
  return value;
}
