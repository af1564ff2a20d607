/**
 * A program while its coarse ops are expanded into small ones: which value each
 * tensor has become, what forward ops keep for their backward ops, and values that
 * several rules share. The rules are in forward.ts, backward.ts and update.ts.
 */
import { invariant } from "../../errors.ts";
import type { Kind, Op, OpOf, Ref } from "../../program/ops.ts";
import { shapeOf, type PartsOf, type Program } from "../../program/program.ts";
import type { stepScalars } from "../../program/schedule.ts";
import type { Shape } from "../../program/shapes.ts";
import type { Algebra } from "./algebra.ts";

/** Values that a step starts from. */
export interface StepValues<V> {
  /** Parameters' weights and the program's (N,) scalars. */
  readonly tensors: ReadonlyMap<Ref, V>;
  /** What an update needs besides: moments, and the scalars of the step. */
  readonly state?: ReadonlyMap<Ref, PartsOf<V>>;
  readonly step?: Readonly<Record<(typeof stepScalars)[number], V>>;
}

/** Expands one kind of op into small ops. */
export type SmallOpsRule<K extends Kind> = <V>(op: OpOf<K>, expansion: Expansion<V>) => void;

/** The state of one expansion: the value of each tensor, and what forward rules keep for backward ones. */
export class Expansion<V> {
  readonly program: Program;
  readonly algebra: Algebra<V>;
  readonly given: StepValues<V>;
  /** State after the updates. */
  readonly next = new Map<Ref, PartsOf<V>>();
  /** What each tensor computed so far has become. */
  readonly values: Map<Ref, V>;
  /** What forward ops keep for their backward ops. */
  readonly kept = new Map<Op, Readonly<Record<string, V>>>();
  /** What `once` has made. */
  readonly shared = new Map<string, V>();

  constructor(program: Program, algebra: Algebra<V>, given: StepValues<V>) {
    this.program = program;
    this.algebra = algebra;
    this.given = given;
    this.values = new Map(given.tensors);
  }

  get trials(): number {
    return this.program.dims.trials;
  }

  /** Shape in the program, [N, …]. */
  shape(ref: Ref): Shape {
    return shapeOf(this.program, ref);
  }
  /** Size of the last axis. */
  last(ref: Ref): number {
    return this.shape(ref).at(-1) as number;
  }

  value(ref: Ref): V {
    const value = this.values.get(ref);
    invariant(value !== undefined, "Expansion.value", `${ref} is read before it is computed`);
    return value;
  }
  set(ref: Ref, value: V): void {
    this.values.set(ref, value);
  }

  keep(op: Op, values: Readonly<Record<string, V>>): void {
    this.kept.set(op, values);
  }
  /** A value the forward op kept. */
  recall(op: Op, name: string): V {
    const value = this.kept.get(op)?.[name];
    invariant(value !== undefined, "Expansion.recall", `${op.kind} kept no ${name}`);
    return value;
  }

  /** Makes a value once, however many rules ask for it. */
  once(key: string, make: () => V): V {
    const value = this.shared.get(key) ?? make();
    this.shared.set(key, value);
    return value;
  }
  /** An (N,) scalar of the program as [N, 1, …] of the given rank. */
  scalar(ref: Ref, rank: number): V {
    return this.once(`${ref}/${rank}`, () => this.algebra.perTrial(this.value(ref), rank));
  }
  /** A vector parameter [N, C] as [N, C, 1]: it scales the rows of a weight. */
  column(ref: Ref): V {
    return this.once(`${ref}/column`, () => this.algebra.reshape(this.value(ref), [this.trials, this.last(ref), 1]));
  }
  /** A vector parameter [N, C] as [N, 1, C]: it is added to every row. */
  row(ref: Ref): V {
    return this.once(`${ref}/row`, () => this.algebra.reshape(this.value(ref), [this.trials, 1, this.last(ref)]));
  }
  /** Numbers that are the same at every step, made once. */
  constant(key: string, shape: Shape, values: () => Float32Array): V {
    return this.once(key, () => this.algebra.constant(key, shape, values));
  }
}
