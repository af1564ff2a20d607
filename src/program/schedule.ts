/**
 * What changes from step to step: the learning-rate schedule, as a factor in
 * [0, 1] and never as an absolute rate, and Adam's bias corrections.
 */

import type { Program } from "./program.ts";

/** The shape of the decay after warm-up. */
export const scheduleNames = ["constant", "linear", "cosine", "wsd"] as const;
/** A schedule by the name that specs have for it. */
export type ScheduleName = (typeof scheduleNames)[number];

/** How learning rates change over a training. */
export interface Schedule {
  readonly name: ScheduleName;
  /** Fraction of all steps spent rising linearly from 0 to 1. */
  readonly warmup: number;
  /** Factor reached at the last step; ignored by `constant`. */
  readonly final: number;
  /** Fraction of all steps over which `wsd` falls at the end; others fall from the warm-up on. */
  readonly decay?: number | undefined;
}

const straight = (progress: number): number => 1 - progress;
const decays: { readonly [K in ScheduleName]: (progress: number) => number } = {
  constant: () => 1,
  linear: straight,
  cosine: (progress) => 0.5 * (1 + Math.cos(Math.PI * progress)),
  wsd: straight,
};

/** Factor in [0, 1] that multiplies every learning rate at `step`, counted from 1 to `steps`. */
export function scheduleFactor(schedule: Schedule, step: number, steps: number): number {
  const warmupSteps = Math.round(schedule.warmup * steps);
  if (step <= warmupSteps) return step / warmupSteps;
  const flatSteps = schedule.decay === undefined ? warmupSteps : Math.max(warmupSteps, steps - Math.round(schedule.decay * steps));
  if (step <= flatSteps) return 1;
  const progress = steps === flatSteps ? 1 : (step - flatSteps) / (steps - flatSteps);
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
 * f·η·(a·m)/(√(b·v) + ε) = η·(f·a/√b) · m/(√v + ε/√b), with a and b the bias corrections of AdamW.
 */
export function stepScalarValues({ updates }: Program, done: number, factors: Float32Array): StepScalars {
  const { beta1, beta2 } = updates.find((op) => op.kind === "adamw") ?? { beta1: 0, beta2: 0 };
  const corrections = Array.from(factors, (_, index) => biasCorrections(beta1, beta2, done + index + 1));
  return {
    factor: factors,
    stepSize: Float32Array.from(corrections, ({ first, second }, index) => (factors[index] * first) / Math.sqrt(second)),
    epsilonScale: Float32Array.from(corrections, ({ second }) => 1 / Math.sqrt(second)),
  };
}
