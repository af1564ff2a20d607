/**
 * Reverse-mode differentiation over coarse ops: each forward kind's rule emits its
 * backward op and says which gradient belongs to which operand. Contributions to
 * a tensor with several uses are summed with `add`.
 */
import { invariant } from "../errors.ts";
import type { ForwardKind, ForwardOp, Op, OpOf, Ref } from "./ops.ts";

interface Tape {
  /** The gradient of an output; asserts that there is one. */
  gradient(out: Ref): Ref;
  /** Reserves a name for one contribution to the gradient of `operand` and records it. */
  contribute(operand: Ref): Ref;
  /** Records that an existing tensor is a contribution to the gradient of `operand`. */
  alias(operand: Ref, gradient: Ref): void;
  emit(op: Op): void;
}

type BackwardRule<K extends ForwardKind> = (op: OpOf<K>, tape: Tape) => void;

const rules: { readonly [K in ForwardKind]: BackwardRule<K> } = {
  embedding: (of, tape) =>
    tape.emit({
      kind: "embedding_backward",
      of,
      dOut: tape.gradient(of.out),
      dTable: tape.contribute(of.table),
      ...(of.positions && { dPositions: tape.contribute(of.positions) }),
    }),
  transpose: ({ x, out }, tape) => tape.emit({ kind: "transpose", x: tape.gradient(out), out: tape.contribute(x) }),
  norm_linear: (of, tape) =>
    tape.emit({
      kind: "norm_linear_backward",
      of,
      branches: of.branches.map((branch) => ({
        dOut: tape.gradient(branch.out),
        dWeight: tape.contribute(branch.weight),
        ...(branch.bias && { dBias: tape.contribute(branch.bias) }),
      })),
      dX: tape.contribute(of.x),
      dGain: tape.contribute(of.gain),
      ...(of.shift && { dShift: tape.contribute(of.shift) }),
    }),
  linear: (of, tape) =>
    tape.emit({
      kind: "linear_backward",
      of,
      dOut: tape.gradient(of.out),
      dX: tape.contribute(of.x),
      dWeight: tape.contribute(of.weight),
      ...(of.bias && { dBias: tape.contribute(of.bias) }),
    }),
  heads: (of, tape) =>
    tape.emit({
      kind: "heads_backward",
      of,
      dOut: tape.gradient(of.out),
      dX: tape.contribute(of.x),
      ...(of.gain && { dGain: tape.contribute(of.gain) }),
    }),
  attention: (of, tape) =>
    tape.emit({
      kind: "attention_backward",
      of,
      dOut: tape.gradient(of.out),
      dQuery: tape.contribute(of.query),
      dKey: tape.contribute(of.key),
      dValue: tape.contribute(of.value),
    }),
  gelu: (of, tape) => tape.emit({ kind: "gelu_backward", of, dOut: tape.gradient(of.out), dX: tape.contribute(of.x) }),
  relu2: (of, tape) => tape.emit({ kind: "relu2_backward", of, dOut: tape.gradient(of.out), dX: tape.contribute(of.x) }),
  swiglu: (of, tape) =>
    tape.emit({
      kind: "swiglu_backward",
      of,
      dOut: tape.gradient(of.out),
      dGate: tape.contribute(of.gate),
      dUp: tape.contribute(of.up),
    }),
  add: ({ a, b, out }, tape) => {
    const gradient = tape.gradient(out);
    tape.alias(a, gradient);
    tape.alias(b, gradient);
  },
  cross_entropy: (of, tape) => tape.emit({ kind: "cross_entropy_backward", of, dLogits: tape.contribute(of.logits) }),
};

/** What a forward pass gives when it is differentiated. */
export interface Backward {
  readonly ops: readonly Op[];
  /** Gradient tensor of every tensor that received one. */
  readonly gradients: ReadonlyMap<Ref, Ref>;
}

/**
 * Emits the backward pass of `forward`, whose last op is the loss.
 * Gradients of parameters used once are named `grad:<parameter>`.
 */
export function differentiate(forward: readonly ForwardOp[]): Backward {
  const ops: Op[] = [];
  const contributions = new Map<Ref, Ref[]>();
  const gradients = new Map<Ref, Ref>();
  const names = new Set<Ref>();
  const record = (operand: Ref, gradient: Ref): void => void contributions.set(operand, [...(contributions.get(operand) ?? []), gradient]);
  const fresh = (operand: Ref): Ref => {
    let name = `grad:${operand}`;
    for (let copy = 2; names.has(name); copy++) name = `grad:${operand}.${copy}`;
    names.add(name);
    return name;
  };
  const tape: Tape = {
    gradient: (out) => {
      const known = gradients.get(out);
      if (known !== undefined) return known;
      const [first, ...others] = contributions.get(out) ?? [];
      invariant(first !== undefined, "differentiate", `${out} has no gradient: nothing after it reaches the loss`);
      const total = others.reduce((a, b) => {
        const sum = fresh(out);
        ops.push({ kind: "add", a, b, out: sum });
        return sum;
      }, first);
      gradients.set(out, total);
      return total;
    },
    contribute: (operand) => {
      const name = fresh(operand);
      record(operand, name);
      return name;
    },
    alias: record,
    emit: (op) => void ops.push(op),
  };
  for (const op of forward.toReversed()) (rules[op.kind] as BackwardRule<typeof op.kind>)(op, tape);
  for (const operand of contributions.keys()) tape.gradient(operand);
  return { ops, gradients };
}
