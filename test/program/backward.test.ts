/** Finite differences in float64 for each backward rule, through the reference's forward ops. */
import { describe, expect, it } from "vitest";
import { differentiate } from "../../src/program/backward.ts";
import type { ForwardOp, Ref } from "../../src/program/ops.ts";
import { sizeOf } from "../../src/program/program.ts";
import type { Dimensions, Shape } from "../../src/program/shapes.ts";
import { randomStream } from "../../src/rng.ts";
import { runReference, type Values } from "../support/reference.ts";
import { tolerances } from "../tolerances.ts";

const dims: Dimensions = { trials: 2, batch: 2, context: 5 };
const [N, B, T, C, F, V] = [2, 2, 5, 6, 4, 7];
const activation: Shape = [N, B, T, C];

interface Case {
  readonly op: ForwardOp;
  readonly operands: Readonly<Record<Ref, Shape>>;
}

const cases: Readonly<Record<string, Case>> = {
  embedding: {
    op: { kind: "embedding", table: "table", positions: "positions", multiplier: "m", out: "y" },
    operands: { table: [N, V, C], positions: [N, T, C], m: [N] },
  },
  "norm_linear, three branches": {
    op: {
      kind: "norm_linear",
      norm: "layer_norm",
      x: "x",
      gain: "g",
      branches: [
        { weight: "w1", multiplier: "m", out: "y1" },
        { weight: "w2", out: "y2" },
        { weight: "w3", out: "y3" },
      ],
    },
    operands: { x: activation, g: [N, C], w1: [N, C, F], w2: [N, C, F], w3: [N, C, C], m: [N] },
  },
  "norm_linear with shift and biases": {
    op: {
      kind: "norm_linear",
      norm: "layer_norm",
      x: "x",
      gain: "g",
      shift: "s",
      branches: [
        { weight: "w1", bias: "b1", multiplier: "m", out: "y1" },
        { weight: "w2", bias: "b2", out: "y2" },
      ],
    },
    operands: { x: activation, g: [N, C], s: [N, C], w1: [N, C, F], b1: [N, F], w2: [N, C, C], b2: [N, C], m: [N] },
  },
  linear: { op: { kind: "linear", x: "x", weight: "w", bias: "b", out: "y" }, operands: { x: activation, w: [N, C, F], b: [N, F] } },
  "linear with a multiplier": {
    op: { kind: "linear", x: "x", weight: "w", bias: "b", multiplier: "m", out: "y" },
    operands: { x: activation, w: [N, C, F], b: [N, F], m: [N] },
  },
  "norm_linear without a mean": {
    op: { kind: "norm_linear", norm: "rms_norm", x: "x", gain: "g", branches: [{ weight: "w1", out: "y1" }] },
    operands: { x: activation, g: [N, C], w1: [N, C, F] },
  },
  "embedding without positions": {
    op: { kind: "embedding", table: "table", multiplier: "m", out: "y" },
    operands: { table: [N, V, C], m: [N] },
  },
  "heads that turn": { op: { kind: "heads", x: "x", headDim: 2, theta: 100, out: "y" }, operands: { x: activation } },
  "heads with a norm": {
    op: { kind: "heads", x: "x", headDim: 3, gain: "g", multiplier: "m", out: "y" },
    operands: { x: activation, g: [N, 3], m: [N] },
  },
  "heads with a norm that turn": {
    op: { kind: "heads", x: "x", headDim: 6, gain: "g", multiplier: "m", theta: 10, out: "y" },
    operands: { x: activation, g: [N, 6], m: [N] },
  },
  attention: {
    op: { kind: "attention", query: "q", key: "k", value: "v", headDim: 2, out: "y" },
    operands: { q: activation, k: activation, v: activation },
  },
  "attention of grouped queries": {
    op: { kind: "attention", query: "q", key: "k", value: "v", headDim: 1, out: "y" },
    operands: { q: activation, k: [N, B, T, 2], v: [N, B, T, 2] },
  },
  relu2: { op: { kind: "relu2", x: "x", out: "y" }, operands: { x: activation } },
  swiglu: { op: { kind: "swiglu", gate: "x", up: "z", out: "y" }, operands: { x: activation, z: activation } },
  gelu: { op: { kind: "gelu", x: "x", out: "y" }, operands: { x: activation } },
  add: { op: { kind: "add", a: "x", b: "z", out: "y" }, operands: { x: activation, z: activation } },
  "add of a tensor to itself": { op: { kind: "add", a: "x", b: "x", out: "y" }, operands: { x: activation } },
  cross_entropy: { op: { kind: "cross_entropy", logits: "x", out: "loss" }, operands: { x: [N, B, T, V] } },
};

/** The scalar every case is reduced to: a linear map, GELU and cross-entropy after the op under test. */
function program({ op }: Case): readonly ForwardOp[] {
  if (op.kind === "cross_entropy") return [op];
  const outs = op.kind === "norm_linear" ? op.branches.map(({ out }) => out) : [op.out];
  const heads = outs.flatMap((out): ForwardOp[] => [{ kind: "linear", x: out, weight: `head ${out}`, out: `logits ${out}` }]);
  const sums = outs.slice(1).map((out, index): ForwardOp => ({
    kind: "add",
    a: index === 0 ? `logits ${outs[0]}` : `sum ${index}`,
    b: `logits ${out}`,
    out: `sum ${index + 1}`,
  }));
  return [
    op,
    ...heads,
    ...sums,
    { kind: "cross_entropy", logits: sums.length > 0 ? `sum ${sums.length}` : `logits ${outs[0]}`, out: "loss" },
  ];
}

describe("backward rules agree with finite differences", () => {
  it.each(Object.entries(cases))("%s", (_, each) => {
    const forward = program(each);
    const widths: Readonly<Record<Ref, number>> = {
      y: each.op.kind === "linear" ? F : C,
      y1: F,
      y2: each.op.kind === "norm_linear" && each.op.branches.length === 3 ? F : C,
      y3: C,
    };
    const heads = forward.flatMap((op) =>
      op.kind === "linear" && op.weight.startsWith("head") ? [[op.weight, [N, widths[op.x], V] as Shape] as const] : [],
    );
    const shapes = new Map<Ref, Shape>([...Object.entries(each.operands), ...heads]);
    const stream = randomStream(3, each.op.kind);
    const inputs: Values = new Map(
      [...shapes].map(([ref, shape]) => [ref, Float64Array.from({ length: sizeOf(shape) }, () => 0.8 * stream.normal())]),
    );
    const tokens = Array.from({ length: B * T }, () => stream.integer(V));
    const targets = Array.from({ length: B * T }, () => stream.integer(V));
    const losses = (values: Values): Float64Array => {
      const all = new Map(values);
      runReference(forward, dims, shapes, all, tokens, targets);
      return all.get("loss") as Float64Array;
    };
    const all = new Map(inputs);
    const { ops, gradients } = differentiate(forward);
    runReference([...forward, ...ops], dims, shapes, all, tokens, targets);

    for (const ref of Object.keys(each.operands).filter((operand) => operand !== "m")) {
      const gradient = all.get(gradients.get(ref) as Ref) as Float64Array;
      const value = inputs.get(ref) as Float64Array;
      const perLane = value.length / N;
      for (let index = 0; index < value.length; index += Math.max(1, Math.floor(value.length / 40))) {
        const moved = (by: number): number => {
          const values = new Map(inputs);
          const copy = value.slice();
          copy[index] = copy[index] + by;
          values.set(ref, copy);
          return losses(values)[Math.floor(index / perLane)];
        };
        const slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
        expect(Math.abs(slope - gradient[index]), `${ref}[${index}]`).toBeLessThan(tolerances.finiteDifference);
      }
    }
  });
});
