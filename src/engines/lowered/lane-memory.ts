/**
 * One trial's state as a block of memory: scalars, weights and moments, each on
 * lines of its own, and which values of the engine contract's arrays belong where.
 */
import { invariant } from "../../errors.ts";
import type { Ref } from "../../program/ops.ts";
import { shapeOf, sizeOf, type Program } from "../../program/program.ts";
import type { ParameterState, State } from "../engine.ts";
import type { Buffer, Operand } from "./instructions.ts";
import { matrixLines, matrixOf, type RowLayout, type Matrix } from "./memory.ts";

const parts = ["weight", "firstMoment", "secondMoment"] as const satisfies readonly (keyof ParameterState)[];

interface Stored {
  readonly matrix: Matrix;
  readonly operand: Operand;
}

/** A matrix of a lane's state: where it lies in the lane's memory, in floats, and its values without padding. */
export interface StoredMatrix {
  readonly begin: number;
  readonly floats: number;
  readonly matrix: Matrix;
  readonly dense: Float32Array;
}

/** How the state of each lane lies in memory: the same for all of them. */
export class LaneMemory {
  readonly betas: { readonly beta1: Operand; readonly beta2: Operand };
  private readonly program: Program;
  private readonly layout: RowLayout;
  private readonly scalars: ReadonlyMap<Ref, Operand>;
  private readonly parameters: ReadonlyMap<Ref, Readonly<Record<(typeof parts)[number], Stored>>>;
  private lines = 0;

  constructor(program: Program, layout: RowLayout) {
    this.program = program;
    this.layout = layout;
    this.betas = { beta1: this.take(1), beta2: this.take(1) };
    this.scalars = new Map(program.scalars.map((ref) => [ref, this.take(1)]));
    this.parameters = new Map(
      program.parameters.map((ref) => {
        const [, ...shape] = shapeOf(program, ref);
        const matrix = matrixOf(shape);
        const stored = (): Stored => ({ matrix, operand: this.take(matrixLines(layout, matrix)) });
        return [ref, { weight: stored(), firstMoment: stored(), secondMoment: stored() }];
      }),
    );
  }

  /** Floats of one lane. */
  get floats(): number {
    return this.lines * this.layout.lineFloats;
  }

  /** Where a scalar or a parameter's weight lies; undefined for other tensors. */
  operand(ref: Ref): Operand | undefined {
    return this.scalars.get(ref) ?? this.parameters.get(ref)?.weight.operand;
  }

  /** Where a parameter's weight and moments lie. */
  parameter(ref: Ref): { readonly weight: Operand; readonly first: Operand; readonly second: Operand } {
    const stored = this.parameters.get(ref);
    invariant(stored, "parameter", `the program has no parameter ${ref}`);
    return { weight: stored.weight.operand, first: stored.firstMoment.operand, second: stored.secondMoment.operand };
  }

  /** Everything of lane `index` of a state that its memory holds. */
  *contents(state: State, index: number): Generator<StoredMatrix> {
    const scalar = ({ buffer }: Operand, value: number): StoredMatrix => ({
      begin: this.beginOf(buffer),
      floats: 1,
      matrix: { rows: 1, columns: 1 },
      dense: Float32Array.of(value),
    });
    yield scalar(this.betas.beta1, this.program.beta1);
    yield scalar(this.betas.beta2, this.program.beta2);
    for (const [ref, operand] of this.scalars) yield scalar(operand, valueOf(state.scalars, ref)[index]);
    for (const ref of this.parameters.keys()) valueOf(state.parameters, ref);
    yield* this.parametersIn(state.parameters, index);
  }

  /** Weights and moments of lane `index`, of these parameters. */
  *parametersIn(parameters: ReadonlyMap<Ref, ParameterState>, index: number): Generator<StoredMatrix> {
    for (const [ref, state] of parameters)
      for (const part of parts) {
        const values = state[part];
        const stored = valueOf(this.parameters, ref);
        const expected = sizeOf(shapeOf(this.program, ref));
        invariant(values.length === expected, "parametersIn", `${ref} has ${values.length} values, expected ${expected}`);
        const { matrix, operand } = stored[part];
        const size = matrix.rows * matrix.columns;
        const dense = values.subarray(index * size, (index + 1) * size);
        yield { begin: this.beginOf(operand.buffer), floats: operand.buffer.lines * this.layout.lineFloats, matrix, dense };
      }
  }

  private beginOf(buffer: Buffer): number {
    return (buffer.laneLine as number) * this.layout.lineFloats;
  }

  private take(lines: number): Operand {
    const operand: Operand = { buffer: { lines, laneLine: this.lines }, line: 0 };
    this.lines += lines;
    return operand;
  }
}

/** A state's parameters before anything is read into them. */
export const emptyParameters = (program: Program, of: readonly Ref[] = program.parameters): ReadonlyMap<Ref, ParameterState> =>
  new Map(
    of.map((ref) => {
      const array = (): Float32Array => new Float32Array(sizeOf(shapeOf(program, ref)));
      return [ref, { weight: array(), firstMoment: array(), secondMoment: array() }];
    }),
  );
/** A state's scalars in arrays of their own. */
export const copyOfScalars = (scalars: State["scalars"]): State["scalars"] =>
  new Map([...scalars].map(([ref, values]) => [ref, values.slice()]));

function valueOf<T>(map: ReadonlyMap<Ref, T>, ref: Ref): T {
  const value = map.get(ref);
  invariant(value !== undefined, "load", `the state has no ${ref}`);
  return value;
}
