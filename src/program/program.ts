/**
 * One training step as data: parameters, (N,) scalars, forward ops, backward ops
 * and updates, with the shape of every tensor. Engines compile it; nothing here
 * runs. With N = 1 it is the target's step, with N > 1 a stack of proxies'.
 */
import { invariant } from "../errors.ts";
import { differentiate } from "./backward.ts";
import type { ForwardOp, Op, Ref, UpdateOp } from "./ops.ts";
import { outputsOf, type Dimensions, type Shape } from "./shapes.ts";

/** AdamW's decay rates and per-parameter scalar names. */
export interface OptimizerSpec {
  readonly beta1: number;
  readonly beta2: number;
  /** Scalars of one parameter; `decay` is learning rate × weight decay, absent when there is none. */
  readonly scalarsOf: (parameter: Ref) => { readonly learningRate: Ref; readonly decay?: Ref; readonly epsilon: Ref };
}

/** A training step of N trials. */
export interface Program {
  readonly dims: Dimensions;
  /** Shape [N, …] of every tensor: parameters, scalars, activations, gradients. */
  readonly shapes: ReadonlyMap<Ref, Shape>;
  readonly parameters: readonly Ref[];
  readonly scalars: readonly Ref[];
  readonly forward: readonly ForwardOp[];
  readonly backward: readonly Op[];
  readonly updates: readonly UpdateOp[];
  readonly gradients: ReadonlyMap<Ref, Ref>;
  readonly beta1: number;
  readonly beta2: number;
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
  const updates = [...parameters.keys()].map((parameter): UpdateOp => {
    const gradient = gradients.get(parameter);
    invariant(gradient !== undefined, "buildProgram", `${parameter} receives no gradient`);
    return { kind: "adamw", parameter, gradient, ...optimizer.scalarsOf(parameter) };
  });
  const scalars = [
    ...new Set([
      ...forward.flatMap(multipliersOf),
      ...updates.flatMap(({ learningRate, decay, epsilon }) => [learningRate, epsilon, ...(decay ? [decay] : [])]),
    ]),
  ];

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
  for (const op of [...forward, ...backward, ...updates]) for (const [ref, shape] of outputsOf(op, lookup, dims)) define(ref, shape);

  const { beta1, beta2 } = optimizer;
  return {
    dims,
    shapes,
    parameters: [...parameters.keys()],
    scalars,
    forward,
    backward,
    updates,
    gradients,
    beta1,
    beta2,
    loss: final.out,
  };
}

function multipliersOf(op: ForwardOp): readonly Ref[] {
  if (op.kind === "embedding") return [op.multiplier];
  if (op.kind === "linear") return op.multiplier ? [op.multiplier] : [];
  if (op.kind === "norm_linear") return op.branches.flatMap(({ multiplier }) => multiplier ?? []);
  return [];
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
 * Bytes below which no engine can train: each trial's weights and two moments, and one trial's gradients. Activations are not
 * among them: however large a batch, the native engine holds those of few sequences at a time, and logits never whole.
 */
export function leastBytes(program: Program): number {
  const weights = program.parameters.reduce((sum, name) => sum + sizeOf(shapeOf(program, name)), 0);
  return 4 * (3 * weights + weights / program.dims.trials);
}
