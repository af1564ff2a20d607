/**
 * How much memory a program takes when it is run as small ops: expands it over shapes
 * instead of values and follows each from the op that makes it to the last that reads it.
 */
import { partsOf, shapeOf, sizeOf, stepOps, type Program } from "../../program/program.ts";
import { stepScalars } from "../../program/schedule.ts";
import type { Dimensions, Shape } from "../../program/shapes.ts";
import type { Footprint } from "../engine.ts";
import { Algebra, type Transposed } from "./algebra.ts";
import { expand } from "./expand.ts";
import { Expansion } from "./expansion.ts";

/** A tensor to be: its shape, and the first and last op that has to do with it. */
interface Sized {
  readonly shape: Shape;
  readonly born: number;
  died: number;
}

function broadcast(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => Math.max(a[axis - rank + a.length] ?? 1, b[axis - rank + b.length] ?? 1));
}

class SizeAlgebra extends Algebra<Sized> {
  readonly made: Sized[] = [];
  private readonly ids: Sized;
  private clock = 0;

  constructor(dims: Dimensions) {
    super(dims);
    this.ids = this.make([this.rows]);
  }

  make(shape: Shape, ...operands: readonly Sized[]): Sized {
    this.clock++;
    for (const operand of operands) operand.died = this.clock;
    const sized = { shape, born: this.clock, died: this.clock };
    this.made.push(sized);
    return sized;
  }
  scalar(): Sized {
    return this.make([]);
  }
  /** Moves no data: the result lives as long as its operand. */
  reshape(x: Sized, shape: Shape): Sized {
    const view = { ...x, shape };
    Object.defineProperty(view, "died", { get: () => x.died, set: (at: number) => (x.died = at) });
    return view;
  }
  transpose(x: Sized, axes: readonly number[]): Sized {
    return this.make(
      axes.map((axis) => x.shape[axis]),
      x,
    );
  }
  private elementwise(a: Sized, b: Sized): Sized {
    return this.make(broadcast(a.shape, b.shape), a, b);
  }
  add = (a: Sized, b: Sized): Sized => this.elementwise(a, b);
  subtract = (a: Sized, b: Sized): Sized => this.elementwise(a, b);
  multiply = (a: Sized, b: Sized): Sized => this.elementwise(a, b);
  divide = (a: Sized, b: Sized): Sized => this.elementwise(a, b);
  squareRoot = (x: Sized): Sized => this.make(x.shape, x);
  exponential = (x: Sized): Sized => this.make(x.shape, x);
  sigmoid = (x: Sized): Sized => this.make(x.shape, x);
  positive = (x: Sized): Sized => this.make(x.shape, x);
  softmax = (x: Sized): Sized => this.make(x.shape, x);
  logSoftmax = (x: Sized): Sized => this.make(x.shape, x);
  sum(x: Sized, axes: readonly number[]): Sized {
    return this.make(
      x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size)),
      x,
    );
  }
  mean(x: Sized): Sized {
    return this.make([...x.shape.slice(0, -1), 1], x);
  }
  product(a: Sized, b: Sized, transposed: Transposed = {}): Sized {
    const rows = a.shape.at(transposed.a ? -1 : -2) as number;
    const columns = b.shape.at(transposed.b ? -2 : -1) as number;
    return this.make([...broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2)), rows, columns], a, b);
  }
  constant(_key: string, shape: Shape): Sized {
    return this.make(shape);
  }
  rowsOfTokens(table: Sized): Sized {
    return this.make([this.dims.trials, this.rows, table.shape.at(-1) as number], table, this.ids);
  }
  sumByToken(rows: Sized, vocabulary: number, width: number): Sized {
    return this.make([this.dims.trials, vocabulary, width], rows, this.oneHot(vocabulary));
  }
  takeTargets(x: Sized, vocabulary: number): Sized {
    return this.make([this.dims.trials, this.rows], this.elementwise(x, this.oneHot(vocabulary)));
  }
  lessAtTargets(x: Sized, _amount: number, vocabulary: number): Sized {
    return this.elementwise(x, this.oneHot(vocabulary));
  }
  private oneHot(vocabulary: number): Sized {
    return this.make([1, this.rows, vocabulary], this.ids);
  }
}

/**
 * What allocators take for a byte that a step needs at its fullest moment: they keep freed blocks in
 * sizes of their own. Measured on CPUs: 1.4 (TensorFlow) to 2.8 (onnxruntime), the host's copies included.
 */
const allocatorShare = 3;

/** Memory of a training step of this program, state included. */
export function footprintOf(program: Program): Footprint {
  const algebra = new SizeAlgebra(program.dims);
  const sized = (shape: Shape): Sized => algebra.make(shape);
  const state = new Map(program.parameters.map((ref) => [ref, partsOf(program, ref, () => sized(shapeOf(program, ref)))] as const));
  const scalars = program.scalars.map((ref) => [ref, sized(shapeOf(program, ref))] as const);
  const expansion = new Expansion<Sized>(program, algebra, {
    tensors: new Map([...scalars, ...[...state].map(([ref, { weight }]) => [ref, weight] as const)]),
    state,
    step: Object.fromEntries(stepScalars.map((name) => [name, sized([])])) as Record<(typeof stepScalars)[number], Sized>,
  });
  expand(expansion, stepOps(program));
  const end = Infinity;
  for (const parts of [...state.values(), ...expansion.next.values()]) for (const part of Object.values(parts)) part.died = end;

  const changes = algebra.made
    .flatMap(({ shape, born, died }) => [
      { at: born, bytes: 4 * sizeOf(shape) },
      { at: died + 0.5, bytes: -4 * sizeOf(shape) },
    ])
    .sort((a, b) => a.at - b.at);
  let [now, peak] = [0, 0];
  for (const { bytes } of changes) {
    now += bytes;
    peak = Math.max(peak, now);
  }
  return { bytes: allocatorShare * peak, largestTensorBytes: 4 * Math.max(...algebra.made.map(({ shape }) => sizeOf(shape))) };
}
