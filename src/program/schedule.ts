/**
 * What changes from step to step: the learning-rate schedule, as a factor in
 * [0, 1] and never as an absolute rate, and Adam's bias corrections.
 */

/** The shape of the decay after warm-up. */
export type ScheduleName = "constant" | "linear" | "cosine";

/** How learning rates change over a training. */
export interface Schedule {
  readonly name: ScheduleName;
  /** Fraction of all steps spent rising linearly from 0 to 1. */
  readonly warmup: number;
  /** Factor reached at the last step; ignored by `constant`. */
  readonly final: number;
}

const decays: { readonly [K in ScheduleName]: (progress: number) => number } = {
  constant: () => 1,
  linear: (progress) => 1 - progress,
  cosine: (progress) => 0.5 * (1 + Math.cos(Math.PI * progress)),
};

/** Factor in [0, 1] that multiplies every learning rate at `step`, counted from 1 to `steps`. */
export function scheduleFactor(schedule: Schedule, step: number, steps: number): number {
  const warmupSteps = Math.round(schedule.warmup * steps);
  if (step <= warmupSteps) return step / warmupSteps;
  const progress = steps === warmupSteps ? 1 : (step - warmupSteps) / (steps - warmupSteps);
  return schedule.final + (1 - schedule.final) * decays[schedule.name](progress);
}

/**
 * Bias corrections at step t for moments kept as plain decayed sums: m̂ = first·m, v̂ = second·v.
 * Source: Kingma & Ba, "Adam" (2015), algorithm 1, with the (1 − β) factors moved out of the moments.
 */
export function biasCorrections(beta1: number, beta2: number, step: number): { first: number; second: number } {
  return { first: (1 - beta1) / (1 - beta1 ** step), second: (1 - beta2) / (1 - beta2 ** step) };
}

/** What an update needs to know of its step. */
export const stepScalars = ["factor", "stepSize", "epsilonScale"] as const;
/** The scalars that every step has anew: one value for each step of a call. */
export type StepScalars = Readonly<Record<(typeof stepScalars)[number], Float32Array>>;

/**
 * Values of the step scalars for K steps after `done` updates, (K,) each.
 * f·η·(a·m)/(√(b·v) + ε) = η·(f·a/√b) · m/(√v + ε/√b), with a and b the bias corrections.
 */
export function stepScalarValues(beta1: number, beta2: number, done: number, factors: Float32Array): StepScalars {
  const corrections = Array.from(factors, (_, index) => biasCorrections(beta1, beta2, done + index + 1));
  return {
    factor: factors,
    stepSize: Float32Array.from(corrections, ({ first, second }, index) => (factors[index] * first) / Math.sqrt(second)),
    epsilonScale: Float32Array.from(corrections, ({ second }) => 1 / Math.sqrt(second)),
  };
}
