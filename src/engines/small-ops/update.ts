/**
 * Updates as small ops, and what is done to all gradients before them. What changes
 * with the step arrives as scalars, so that one AdamW costs nine passes over a parameter.
 */
import type { PartsOf } from "../../program/program.ts";
import { invariant } from "../../errors.ts";
import { clipEpsilon, newtonSchulz, type Ref, type UpdateOp } from "../../program/ops.ts";
import type { stepScalars } from "../../program/schedule.ts";
import type { Expansion, SmallOpsRule } from "./expansion.ts";

type StepScalar = (typeof stepScalars)[number];

/** What every update needs: its state, its gradient as it is scaled, and scalars times those of the step. */
interface Updating<V> {
  readonly state: PartsOf<V>;
  readonly g: V;
  /** The weight after its decay. */
  readonly kept: V;
  readonly scaled: (ref: Ref, by: StepScalar) => V;
}
function updating<V>({ parameter, gradient, scale, decay }: UpdateOp, e: Expansion<V>): Updating<V> {
  const { algebra: a } = e;
  const { step } = e.given;
  const state = e.given.state?.get(parameter);
  invariant(step && state, "updating", `no state of ${parameter}`);
  const rank = e.shape(parameter).length;
  const scaled = (ref: Ref, by: StepScalar): V => e.once(`${ref}×${by}/${rank}`, () => a.multiply(e.scalar(ref, rank), step[by]));
  // Computed in the step, where scalars of the program are given before it.
  const factor = (ref: Ref): V => e.once(`${ref}/${rank}`, () => a.reshape(e.value(ref), [e.trials, ...Array<number>(rank - 1).fill(1)]));
  const less = (ref: Ref): V => e.once(`${ref}/keep/${rank}`, () => a.subtract(a.scalar(1), scaled(ref, "factor")));
  return {
    state,
    g: scale ? a.multiply(e.value(gradient), factor(scale)) : e.value(gradient),
    kept: decay ? a.multiply(state.weight, less(decay)) : state.weight,
    scaled,
  };
}

/** The rule of AdamW. */
export const adamw: SmallOpsRule<"adamw"> = (op, e) => {
  const { algebra: a } = e;
  const { state, g, kept, scaled } = updating(op, e);
  const firstMoment = a.add(a.multiply(state["firstMoment"], a.scalar(op.beta1)), g);
  const secondMoment = a.add(a.multiply(state["secondMoment"], a.scalar(op.beta2)), a.multiply(g, g));
  const direction = a.divide(firstMoment, a.add(a.squareRoot(secondMoment), scaled(op.epsilon, "epsilonScale")));
  const weight = a.subtract(kept, a.multiply(direction, scaled(op.learningRate, "stepSize")));
  e.next.set(op.parameter, { weight, firstMoment, secondMoment });
};

/** The rule of Muon. */
export const muon: SmallOpsRule<"muon"> = (op, e) => {
  const { algebra: a } = e;
  const { state, g, kept, scaled } = updating(op, e);
  const [, fanIn, fanOut] = e.shape(op.parameter);
  const momentum = a.add(a.multiply(state["momentum"], a.scalar(op.momentum)), g);
  const ahead = a.add(a.multiply(momentum, a.scalar(op.momentum)), g);
  const norm = a.squareRoot(a.sum(a.multiply(ahead, ahead), [1, 2]));
  const isTall = fanIn > fanOut;
  const size = Math.min(fanIn, fanOut);
  const identity = e.constant(`identity ${size}`, [1, size, size], () =>
    Float32Array.from({ length: size * size }, (_, i) => Number(i % (size + 1) === 0)),
  );
  const plus = (x: typeof norm, amount: number): typeof norm => a.add(x, a.multiply(identity, a.scalar(amount)));
  const { a: first, b: third, c: fifth, steps, epsilon } = newtonSchulz;
  let x = a.divide(ahead, a.add(norm, a.scalar(epsilon)));
  for (let step = 0; step < steps; step++) {
    const square = a.product(x, x, isTall ? { a: true } : { b: true });
    const power = a.product(square, plus(a.multiply(square, a.scalar(fifth)), third));
    const factor = plus(power, first);
    x = isTall ? a.product(x, factor) : a.product(factor, x);
  }
  const rate = a.multiply(scaled(op.learningRate, "factor"), a.scalar(Math.sqrt(fanOut / fanIn)));
  e.next.set(op.parameter, { weight: a.subtract(kept, a.multiply(x, rate)), momentum });
};

/** The factor that keeps the norm of all gradients of a trial below its limit: limit / max(limit, norm + 1e-6). */
export const clip: SmallOpsRule<"clip"> = ({ gradients, limit, out }, e) => {
  const { algebra: a } = e;
  const squares = gradients.map((ref) => {
    const g = e.value(ref);
    const axes = e.shape(ref).flatMap((_, axis) => (axis === 0 ? [] : [axis]));
    return a.reshape(a.sum(a.multiply(g, g), axes), [e.trials]);
  });
  const norm = a.squareRoot(squares.reduce((x, y) => a.add(x, y)));
  const most = a.scalar(limit);
  e.set(out, a.divide(most, a.add(most, a.positive(a.subtract(a.add(norm, a.scalar(clipEpsilon)), most)))));
};
