/**
 * Shape rules: what each op makes of its operands' shapes, or an assertion that
 * names the op and both shapes. Every shape has the trial axis N in front.
 */
import { invariant } from "../errors.ts";
import { dispatch, type Kind, type Op, type OpOf, type Ref, type UpdateOp } from "./ops.ts";

/** Sizes of a tensor's axes. */
export type Shape = readonly number[];

/** Sizes every op of one program shares. */
export interface Dimensions {
  readonly trials: number;
  readonly batch: number;
  readonly context: number;
}

type Lookup = (ref: Ref) => Shape;
type Outputs = readonly (readonly [Ref, Shape])[];
type ShapeRule<K extends Kind> = (op: OpOf<K>, shape: Lookup, dims: Dimensions) => Outputs;

function expectShape(where: string, ref: Ref, actual: Shape, expected: Shape): void {
  const same = actual.length === expected.length && actual.every((size, axis) => size === expected[axis]);
  invariant(same, where, `${ref} is [${actual.join(",")}], expected [${expected.join(",")}]`);
}

/** Asserts that rows consist of whole heads. */
function expectHeads(where: string, ref: Ref, shape: Shape, headDim: number): void {
  invariant(last(shape) % headDim === 0, where, `heads of ${headDim} do not divide ${ref}, which is [${shape.join(",")}]`);
}

function last(shape: Shape): number {
  return shape[shape.length - 1];
}

/** Gradients have the shape of what they are the gradient of. */
const like = (shape: Lookup, ...pairs: (readonly [Ref | undefined, Ref | undefined])[]): Outputs =>
  pairs.flatMap(([gradient, of]) => (gradient === undefined || of === undefined ? [] : [[gradient, shape(of)] as const]));

/** What all updates ask of their operands. */
function expectUpdate(
  {
    kind,
    parameter,
    gradient,
    scale,
    learningRate,
    decay,
  }: Pick<UpdateOp, "kind" | "parameter" | "gradient" | "scale" | "learningRate" | "decay">,
  shape: Lookup,
  trials: number,
): Outputs {
  expectShape(kind, gradient, shape(gradient), shape(parameter));
  for (const ref of [scale, learningRate, decay]) if (ref) expectShape(kind, ref, shape(ref), [trials]);
  return [];
}

const rules: { readonly [K in Kind]: ShapeRule<K> } = {
  embedding: ({ table, positions, multiplier, out }, shape, { trials, batch, context }) => {
    const width = last(shape(table));
    if (positions) expectShape("embedding", positions, shape(positions), [trials, context, width]);
    expectShape("embedding", multiplier, shape(multiplier), [trials]);
    return [[out, [trials, batch, context, width]]];
  },
  transpose: ({ x, out }, shape) => {
    const [trials, rows, columns] = shape(x);
    expectShape("transpose", x, shape(x), [trials, rows, columns]);
    return [[out, [trials, columns, rows]]];
  },
  norm_linear: ({ x, gain, shift, branches }, shape, { trials, batch, context }) => {
    const width = last(shape(x));
    expectShape("norm_linear", x, shape(x), [trials, batch, context, width]);
    for (const ref of [gain, ...(shift ? [shift] : [])]) expectShape("norm_linear", ref, shape(ref), [trials, width]);
    return branches.map(({ weight, bias, multiplier, out }) => {
      const fanOut = last(shape(weight));
      expectShape("norm_linear", weight, shape(weight), [trials, width, fanOut]);
      if (bias) expectShape("norm_linear", bias, shape(bias), [trials, fanOut]);
      if (multiplier) expectShape("norm_linear", multiplier, shape(multiplier), [trials]);
      return [out, [trials, batch, context, fanOut]] as const;
    });
  },
  linear: ({ x, weight, bias, multiplier, out }, shape, { trials, batch, context }) => {
    const fanIn = last(shape(x));
    const fanOut = last(shape(weight));
    expectShape("linear", weight, shape(weight), [trials, fanIn, fanOut]);
    if (bias) expectShape("linear", bias, shape(bias), [trials, fanOut]);
    if (multiplier) expectShape("linear", multiplier, shape(multiplier), [trials]);
    return [[out, [trials, batch, context, fanOut]]];
  },
  heads: ({ x, headDim, gain, multiplier, theta, out }, shape, { trials }) => {
    expectHeads("heads", x, shape(x), headDim);
    if (gain) expectShape("heads", gain, shape(gain), [trials, headDim]);
    if (multiplier) expectShape("heads", multiplier, shape(multiplier), [trials]);
    invariant(theta === undefined || headDim % 2 === 0, "heads", `a head of ${headDim} has no pairs to turn`);
    return [[out, shape(x)]];
  },
  attention: ({ query, key, value, headDim, out }, shape) => {
    expectShape("attention", value, shape(value), shape(key));
    expectShape("attention", key, shape(key), [...shape(query).slice(0, -1), last(shape(key))]);
    for (const ref of [query, key]) expectHeads("attention", ref, shape(ref), headDim);
    expectHeads("attention", query, shape(query), last(shape(key)));
    return [[out, shape(query)]];
  },
  gelu: ({ x, out }, shape) => [[out, shape(x)]],
  relu2: ({ x, out }, shape) => [[out, shape(x)]],
  swiglu: ({ gate, up, out }, shape) => {
    expectShape("swiglu", up, shape(up), shape(gate));
    return [[out, shape(gate)]];
  },
  add: ({ a, b, out }, shape) => {
    expectShape("add", b, shape(b), shape(a));
    return [[out, shape(a)]];
  },
  cross_entropy: ({ logits, out }, shape, { trials, batch, context }) => {
    expectShape("cross_entropy", logits, shape(logits), [trials, batch, context, last(shape(logits))]);
    return [[out, [trials]]];
  },
  embedding_backward: ({ of, dOut, dTable, dPositions }, shape) => {
    expectShape("embedding_backward", dOut, shape(dOut), shape(of.out));
    return like(shape, [dTable, of.table], [dPositions, of.positions]);
  },
  norm_linear_backward: ({ of, dX, dGain, dShift, branches }, shape) => [
    ...like(shape, [dX, of.x], [dGain, of.gain], [dShift, of.shift]),
    ...branches.flatMap(({ dOut, dWeight, dBias }, index) => {
      const branch = of.branches[index];
      invariant(branch, "norm_linear_backward", `branch ${index} has no forward branch`);
      expectShape("norm_linear_backward", dOut, shape(dOut), shape(branch.out));
      return like(shape, [dWeight, branch.weight], [dBias, branch.bias]);
    }),
  ],
  linear_backward: ({ of, dOut, dX, dWeight, dBias }, shape) => {
    expectShape("linear_backward", dOut, shape(dOut), shape(of.out));
    return like(shape, [dX, of.x], [dWeight, of.weight], [dBias, of.bias]);
  },
  heads_backward: ({ of, dOut, dX, dGain }, shape) => {
    expectShape("heads_backward", dOut, shape(dOut), shape(of.out));
    return like(shape, [dX, of.x], [dGain, of.gain]);
  },
  attention_backward: ({ of, dOut, dQuery, dKey, dValue }, shape) => {
    expectShape("attention_backward", dOut, shape(dOut), shape(of.out));
    return like(shape, [dQuery, of.query], [dKey, of.key], [dValue, of.value]);
  },
  gelu_backward: ({ of, dOut, dX }, shape) => {
    expectShape("gelu_backward", dOut, shape(dOut), shape(of.out));
    return like(shape, [dX, of.x]);
  },
  relu2_backward: ({ of, dOut, dX }, shape) => {
    expectShape("relu2_backward", dOut, shape(dOut), shape(of.out));
    return like(shape, [dX, of.x]);
  },
  swiglu_backward: ({ of, dOut, dGate, dUp }, shape) => {
    expectShape("swiglu_backward", dOut, shape(dOut), shape(of.out));
    return like(shape, [dGate, of.gate], [dUp, of.up]);
  },
  cross_entropy_backward: ({ of, dLogits }, shape) => like(shape, [dLogits, of.logits]),
  clip: ({ out }, _, { trials }) => [[out, [trials]]],
  adamw: ({ epsilon, ...op }, shape, { trials }) => {
    expectShape("adamw", epsilon, shape(epsilon), [trials]);
    return expectUpdate(op, shape, trials);
  },
  muon: (op, shape, { trials }) => {
    invariant(shape(op.parameter).length === 3, "muon", `${op.parameter} is no matrix`);
    return expectUpdate(op, shape, trials);
  },
};

/** Names and shapes of the tensors an op writes; throws an invariant error when its operands do not fit. */
export function outputsOf(op: Op, shape: Lookup, dims: Dimensions): Outputs {
  return dispatch(rules, op, shape, dims);
}
