/**
 * One training step as data: parameters, (N,) scalars, forward ops, backward ops
 * and updates, with the shape of every tensor. Engines compile it; nothing here
 * runs. With N = 1 it is the target's step, with N > 1 a stack of proxies'.
 */
import { invariant } from "../errors.ts";
import { differentiate } from "./backward.ts";
import type { ForwardOp, Op, OpOf, Ref, UpdateKind, UpdateOp } from "./ops.ts";
import { outputsOf, type Dimensions, type Shape } from "./shapes.ts";

/** How parameters are trained. */
export interface OptimizerSpec {
  /** The update of one parameter by its gradient; `scale` is what all gradients are multiplied by, where they are clipped. */
  readonly updateOf: (parameter: Ref, gradient: Ref, scale?: Ref) => UpdateOp;
  /** The most that the norm of all gradients of a trial may be. */
  readonly clip?: number | undefined;
}

/** What each update keeps of its parameter from step to step besides the weight: arrays of its shape that begin at zero. */
export const slots: { readonly [K in UpdateKind]: readonly string[] } = { adamw: ["firstMoment", "secondMoment"], muon: ["momentum"] };

/** A training step of N trials. */
export interface Program {
  readonly dims: Dimensions;
  /** Shape [N, …] of every tensor: parameters, scalars, activations, gradients. */
  readonly shapes: ReadonlyMap<Ref, Shape>;
  readonly parameters: readonly Ref[];
  readonly scalars: readonly Ref[];
  readonly forward: readonly ForwardOp[];
  readonly backward: readonly Op[];
  /** What is done to all gradients together before any update. */
  readonly clip: OpOf<"clip"> | undefined;
  readonly updates: readonly UpdateOp[];
  /** How each parameter is updated. */
  readonly updateKinds: ReadonlyMap<Ref, UpdateKind>;
  readonly gradients: ReadonlyMap<Ref, Ref>;
  /** The (N,) loss, in nats. */
  readonly loss: Ref;
}

/**
 * Completes a forward pass into a training step.
 * `parameters` gives per-trial shapes (without N); the last forward op must be `cross_entropy`.
 */
export function buildProgram(
  dims: Dimensions,
  parameters: ReadonlyMap<Ref, Shape>,
  forward: readonly ForwardOp[],
  optimizer: OptimizerSpec,
): Program {
  const final = forward.at(-1);
  invariant(final?.kind === "cross_entropy", "buildProgram", "the last forward op is not cross_entropy");
  const { ops: backward, gradients } = differentiate(forward);
  const gradientOf = (parameter: Ref): Ref => {
    const gradient = gradients.get(parameter);
    invariant(gradient !== undefined, "buildProgram", `${parameter} receives no gradient`);
    return gradient;
  };
  const all = [...parameters.keys()].map(gradientOf);
  const clip = optimizer.clip === undefined ? undefined : ({ kind: "clip", gradients: all, limit: optimizer.clip, out: "clip" } as const);
  const updates = [...parameters.keys()].map((parameter, index) => optimizer.updateOf(parameter, all[index], clip?.out));
  const scalars = [...new Set([...forward.flatMap(multipliersOf), ...updates.flatMap(scalarsOf)])];

  const shapes = new Map<Ref, Shape>();
  const define = (ref: Ref, shape: Shape): void => {
    invariant(!shapes.has(ref), "buildProgram", `${ref} is written twice`);
    shapes.set(ref, shape);
  };
  for (const [name, shape] of parameters) define(name, [dims.trials, ...shape]);
  for (const name of scalars) define(name, [dims.trials]);
  const lookup = (ref: Ref): Shape => {
    const shape = shapes.get(ref);
    invariant(shape, "buildProgram", `${ref} is read before it is written`);
    return shape;
  };
  for (const op of [...forward, ...backward, ...(clip ? [clip] : []), ...updates])
    for (const [ref, shape] of outputsOf(op, lookup, dims)) define(ref, shape);

  return {
    dims,
    shapes,
    parameters: [...parameters.keys()],
    scalars,
    forward,
    backward,
    clip,
    updates,
    updateKinds: new Map(updates.map(({ parameter, kind }) => [parameter, kind])),
    gradients,
    loss: final.out,
  };
}

function multipliersOf(op: ForwardOp): readonly Ref[] {
  if (op.kind === "embedding") return [op.multiplier];
  if (op.kind === "linear" || op.kind === "heads") return op.multiplier ? [op.multiplier] : [];
  if (op.kind === "norm_linear") return op.branches.flatMap(({ multiplier }) => multiplier ?? []);
  return [];
}
const scalarsOf = (op: UpdateOp): readonly Ref[] => [
  op.learningRate,
  ...(op.kind === "adamw" ? [op.epsilon] : []),
  ...(op.decay ? [op.decay] : []),
];

/** Everything that a training step does, in order. */
export const stepOps = ({ forward, backward, clip, updates }: Program): readonly Op[] => [
  ...forward,
  ...backward,
  ...(clip ? [clip] : []),
  ...updates,
];

/** The names of what makes up a parameter's state: its weight, and what its update keeps. */
export function statePartsOf({ updateKinds }: Program, parameter: Ref): readonly string[] {
  const kind = updateKinds.get(parameter);
  invariant(kind, "statePartsOf", `the program has no parameter ${parameter}`);
  return ["weight", ...slots[kind]];
}
/** One value for each part of a parameter's state. */
export type PartsOf<V> = Readonly<Record<string, V>> & { readonly weight: V };
const partsFrom = <V>(entries: readonly (readonly [string, V])[]): PartsOf<V> => Object.fromEntries(entries) as PartsOf<V>;
/** Makes a value for each part of a parameter's state. */
export const partsOf = <V>(program: Program, parameter: Ref, of: (part: string) => V): PartsOf<V> =>
  partsFrom(statePartsOf(program, parameter).map((part) => [part, of(part)]));
/** Does the same with each part of a state. */
export const mapParts = <A, B>(parts: PartsOf<A>, of: (value: A, part: string) => B): PartsOf<B> =>
  partsFrom(Object.entries<A>(parts).map(([part, value]) => [part, of(value, part)]));
/** Does the same with each part of a state, one after the other. */
export async function mapPartsInTurn<A, B>(parts: PartsOf<A>, of: (value: A) => Promise<B>): Promise<PartsOf<B>> {
  const done: (readonly [string, B])[] = [];
  for (const [part, value] of Object.entries<A>(parts)) done.push([part, await of(value)]);
  return partsFrom(done);
}

/** Shape [N, …] of a tensor that the program is known to have. */
export function shapeOf(program: Program, ref: Ref): Shape {
  const shape = program.shapes.get(ref);
  invariant(shape, "shapeOf", `the program has no tensor ${ref}`);
  return shape;
}

/** Number of elements of a shape. */
export function sizeOf(shape: Shape): number {
  return shape.reduce((product, size) => product * size, 1);
}

/**
 * Bytes below which no engine can train: each trial's weights and what updates keep, and one trial's gradients. Activations are not
 * among them: however large a batch, the native engine holds those of few sequences at a time, and logits never whole.
 */
export function leastBytes(program: Program): number {
  const { parameters, dims } = program;
  const floats = parameters.map((name) => sizeOf(shapeOf(program, name)) * (statePartsOf(program, name).length + 1 / dims.trials));
  return 4 * floats.reduce((sum, each) => sum + each, 0);
}
