/** Training in float64 by the tests' reference: what rounding is measured against. */
import { biasCorrections } from "../../src/program/schedule.ts";
import { referencePass } from "../../test/support/reference.ts";
import { programOf } from "../ours.ts";
import { batchesOf, modelOf, startingState, type Work } from "../work.ts";

/** Losses of the first steps of one model. */
export function float64Losses(work: Work, steps: number): readonly number[] {
  const program = programOf({ ...work, stack: 1 });
  const start = startingState(modelOf(work), program);
  const weights = new Map([...start.parameters].map(([name, { weight }]) => [name, Float64Array.from(weight)]));
  const [first, second] = [0, 1].map(() => new Map([...weights].map(([name, { length }]) => [name, new Float64Array(length)])));
  const scalars = [...start.scalars].map(([name, values]) => [name, Float64Array.from(values)] as const);
  const scalar = (name: string): number => start.scalars.get(name)?.[0] ?? NaN;
  const { tokens, targets } = batchesOf(work, steps);
  const cells = work.batch * work.context;
  return Array.from({ length: steps }, (_, step) => {
    const ids = (all: Int32Array): Int32Array => all.subarray(step * cells, (step + 1) * cells);
    const values = referencePass(program, new Map([...weights, ...scalars]), ids(tokens), ids(targets));
    for (const op of program.updates) {
      if (op.kind !== "adamw") throw new Error(`the reference has no ${op.kind}`);
      const { parameter, gradient, learningRate, epsilon, beta1, beta2 } = op;
      const corrections = biasCorrections(beta1, beta2, step + 1);
      const of = <T>(all: ReadonlyMap<string, T>, name = parameter): T => all.get(name) as T;
      const [w, m, v, g] = [of(weights), of(first), of(second), of(values, gradient)];
      for (let i = 0; i < w.length; i++) {
        m[i] = beta1 * m[i] + g[i];
        v[i] = beta2 * v[i] + g[i] ** 2;
        w[i] -= (scalar(learningRate) * corrections.first * m[i]) / (Math.sqrt(corrections.second * v[i]) + scalar(epsilon));
      }
    }
    return values.get(program.loss)?.[0] ?? NaN;
  });
}
