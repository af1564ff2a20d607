/**
 * AdamW as small ops. What changes with the step arrives as three scalars, so one
 * update costs nine passes over a parameter.
 */
import { invariant } from "../../errors.ts";
import type { Ref } from "../../program/ops.ts";
import type { stepScalars } from "../../program/schedule.ts";
import type { SmallOpsRule } from "./expansion.ts";

/** The rule of the update. */
export const adamw: SmallOpsRule<"adamw"> = ({ parameter, gradient, learningRate, decay, epsilon }, e) => {
  const { algebra: a, program } = e;
  const { step } = e.given;
  const state = e.given.state?.get(parameter);
  invariant(step && state, "adamw", `no state of ${parameter}`);
  const g = e.value(gradient);
  const rank = e.shape(parameter).length;
  const scaled = (ref: Ref, by: (typeof stepScalars)[number]): typeof g =>
    e.once(`${ref}×${by}/${rank}`, () => a.multiply(e.scalar(ref, rank), step[by]));
  const firstMoment = a.add(a.multiply(state.firstMoment, a.scalar(program.beta1)), g);
  const secondMoment = a.add(a.multiply(state.secondMoment, a.scalar(program.beta2)), a.multiply(g, g));
  const direction = a.divide(firstMoment, a.add(a.squareRoot(secondMoment), scaled(epsilon, "epsilonScale")));
  const kept = decay
    ? a.multiply(
        state.weight,
        e.once(`${decay}/keep/${rank}`, () => a.subtract(a.scalar(1), scaled(decay, "factor"))),
      )
    : state.weight;
  const weight = a.subtract(kept, a.multiply(direction, scaled(learningRate, "stepSize")));
  e.next.set(parameter, { weight, firstMoment, secondMoment });
};
