/**
 * AdamW as ONNX nodes. Factors that change with the step arrive as three scalars,
 * so one update costs nine passes over a parameter.
 */
import type { Ref } from "../../program/ops.ts";
import type { Value } from "./graph.ts";
import type { LoweringRule } from "./lowering.ts";

/** Name of a state array after the update. */
export const nextOf = (part: "weight" | "first" | "second", parameter: Ref): Value => `next:${part}:${parameter}`;

export const adamw: LoweringRule<"adamw"> = ({ parameter, gradient, learningRate, decay, epsilon }, l) => {
  const { step: g, program } = l;
  const rank = l.shape(parameter).length;
  const scaled = (ref: Ref, by: string): Value => l.once(`${ref}×${by}/${rank}`, () => g.multiply(l.scalar(ref, rank), `step:${by}`));
  const first = g.add(g.multiply(`first:${parameter}`, g.scalar(program.beta1)), gradient, nextOf("first", parameter));
  const second = g.add(
    g.multiply(`second:${parameter}`, g.scalar(program.beta2)),
    g.multiply(gradient, gradient),
    nextOf("second", parameter),
  );
  const direction = g.node("Div", [first, g.add(g.node("Sqrt", [second]), scaled(epsilon, "epsilonScale"))]);
  const kept = decay
    ? g.multiply(
        parameter,
        l.once(`${decay}/keep/${rank}`, () => g.subtract(g.scalar(1), scaled(decay, "factor"))),
      )
    : parameter;
  g.subtract(kept, g.multiply(direction, scaled(learningRate, "stepSize")), nextOf("weight", parameter));
};
