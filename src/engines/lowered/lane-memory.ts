/**
 * One trial's state as a block of memory: scalars, weights and what updates keep, each on
 * lines of its own, with the numbers that ops have beside them, and which values of the engine contract's arrays belong where.
 */
import { invariant } from "../../errors.ts";
import { newtonSchulz, type Kind, type OpOf, type Ref } from "../../program/ops.ts";
import { partsOf, shapeOf, sizeOf, stepOps, type Program } from "../../program/program.ts";
import { turnsOf } from "../../program/turns.ts";
import type { ParameterState, State } from "../engine.ts";
import type { Buffer, Operand } from "./instructions.ts";
import { matrixLines, matrixOf, type RowLayout, type Matrix } from "./memory.ts";

/** The numbers that kernels are given with an op: no part of the state, but laid beside it. */
const constants: { readonly [K in Kind]?: (op: OpOf<K>) => readonly number[] } = {
  cross_entropy: ({ zLoss }) => (zLoss === undefined ? [] : [zLoss]),
  clip: ({ limit }) => [limit],
  adamw: ({ beta1, beta2 }) => [beta1, beta2],
  muon: ({ momentum }) => [momentum, newtonSchulz.a, newtonSchulz.b, newtonSchulz.c],
};
const constantsOf = <K extends Kind>(op: OpOf<K>): readonly number[] =>
  (constants[op.kind] as ((op: OpOf<K>) => readonly number[]) | undefined)?.(op) ?? [];

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
  private readonly program: Program;
  private readonly layout: RowLayout;
  private readonly scalars: ReadonlyMap<Ref, Operand>;
  private readonly parameters: ReadonlyMap<Ref, Readonly<Record<string, Stored>>>;
  private readonly constants: ReadonlyMap<number, Operand>;
  private readonly turns: ReadonlyMap<string, Stored & { readonly dense: Float32Array }>;
  private lines = 0;

  constructor(program: Program, layout: RowLayout) {
    this.program = program;
    this.layout = layout;
    this.constants = new Map([...new Set(stepOps(program).flatMap(constantsOf))].map((value) => [value, this.take(1)]));
    this.scalars = new Map(program.scalars.map((ref) => [ref, this.take(1)]));
    this.parameters = new Map(
      program.parameters.map((ref) => {
        const [, ...shape] = shapeOf(program, ref);
        const matrix = matrixOf(shape);
        return [ref, partsOf(program, ref, () => ({ matrix, operand: this.take(matrixLines(layout, matrix)) }))];
      }),
    );
    const turning = program.forward.filter((op): op is Turning => op.kind === "heads" && op.theta !== undefined);
    this.turns = new Map(
      [...new Map(turning.map((op) => [turnsKey(op), op])).values()].map((op) => {
        const matrix = { rows: program.dims.context, columns: op.headDim };
        const operand = this.take(matrixLines(layout, matrix));
        return [turnsKey(op), { matrix, operand, dense: turnRows(op, program.dims.context) }];
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

  /** Where a part of a parameter's state lies. */
  part(ref: Ref, part: string): Operand {
    const stored = this.parameters.get(ref)?.[part];
    invariant(stored, "part", `the program has no ${part} of ${ref}`);
    return stored.operand;
  }
  /** Where a number lies that an op has. */
  constant(value: number): Operand {
    const operand = this.constants.get(value);
    invariant(operand, "constant", `no op of the program has ${value}`);
    return operand;
  }
  /** Where the turns of heads lie: for each position the cosines of all pairs, then their sines. */
  turnsOf(op: Turning): Operand {
    return (this.turns.get(turnsKey(op)) as Stored).operand;
  }

  /** Everything of lane `index` of a state that its memory holds. */
  *contents(state: State, index: number): Generator<StoredMatrix> {
    const scalar = ({ buffer }: Operand, value: number): StoredMatrix => ({
      begin: this.beginOf(buffer),
      floats: 1,
      matrix: { rows: 1, columns: 1 },
      dense: Float32Array.of(value),
    });
    for (const [value, operand] of this.constants) yield scalar(operand, value);
    for (const { operand, matrix, dense } of this.turns.values()) yield this.stored(operand, matrix, dense);
    for (const [ref, operand] of this.scalars) yield scalar(operand, valueOf(state.scalars, ref)[index]);
    for (const ref of this.parameters.keys()) valueOf(state.parameters, ref);
    yield* this.parametersIn(state.parameters, index);
  }

  /** The state of lane `index`, of these parameters. */
  *parametersIn(parameters: ReadonlyMap<Ref, ParameterState>, index: number): Generator<StoredMatrix> {
    for (const [ref, state] of parameters)
      for (const [part, { matrix, operand }] of Object.entries(valueOf(this.parameters, ref))) {
        const values = (state as Readonly<Record<string, Float32Array | undefined>>)[part];
        const expected = sizeOf(shapeOf(this.program, ref));
        invariant(values?.length === expected, "parametersIn", `${ref} has ${values?.length ?? "no"} values, expected ${expected}`);
        const size = matrix.rows * matrix.columns;
        yield this.stored(operand, matrix, values.subarray(index * size, (index + 1) * size));
      }
  }

  private stored({ buffer }: Operand, matrix: Matrix, dense: Float32Array): StoredMatrix {
    return { begin: this.beginOf(buffer), floats: buffer.lines * this.layout.lineFloats, matrix, dense };
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

type Turning = OpOf<"heads"> & { readonly theta: number };
const turnsKey = ({ theta, headDim }: Turning): string => `${theta} ${headDim}`;
/** [T, D]. */
function turnRows({ theta, headDim }: Turning, context: number): Float32Array {
  const { cosines, sines } = turnsOf(theta, headDim, context);
  const half = headDim / 2;
  return Float32Array.from({ length: context * headDim }, (_, i) => {
    const [t, d] = [Math.floor(i / headDim), i % headDim];
    return d < half ? cosines[t * half + d] : sines[t * half + d - half];
  });
}

/** A state's parameters before anything is read into them. */
export const emptyParameters = (program: Program, of: readonly Ref[] = program.parameters): ReadonlyMap<Ref, ParameterState> =>
  new Map(
    of.map((ref) => {
      const size = sizeOf(shapeOf(program, ref));
      return [ref, partsOf(program, ref, () => new Float32Array(size))];
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
