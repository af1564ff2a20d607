/**
 * Every tolerance of the suite, with its reason. None of them may be widened to
 * make a test pass.
 */
export const tolerances = {
  /** float32 engine against a float64 reference: single passes, relative to the tensor's largest entry. */
  onePass: 2e-5,
  /** Tensors below this are compared absolutely: a key bias's gradient is exactly zero, and rounding is all there is of it. */
  smallestScale: 1e-2,
  /** Loss of a step in float32 against float64 after up to ten AdamW steps, in nats: rounding grows with each step. */
  tenSteps: 2e-4,
  /** Losses between 2 and 5 nats over twenty steps with few roundings: about ten units in the last place of float32. */
  twentySteps: 2e-6,
  /** Central differences in float64 with step 1e-5: truncation and cancellation leave about eight digits. */
  finiteDifference: 1e-6,
  /** Gradients of bfloat16 operands (8 bits: 0.2–0.4 % each) after a few products in a row, as a share of their norm. */
  mixedPass: 3e-2,
  /** Loss after up to ten steps of such gradients, in nats. */
  mixedTenSteps: 3e-2,
  /** The same trial alone and in a stack: other matrix shapes sum in another order. */
  stacked: 1e-4,
  /** Validation loss after a few hundred steps, alone and in a stack: rounding that training has amplified, far below seed noise. */
  stackedRun: 5e-3,
  /** Solving a well-conditioned system of a few equations in float64, and sums taken in another order. */
  smallSystem: 1e-9,
  /** A fit of the normal distribution that states a relative error of 2e-7. */
  normalFit: 5e-7,
  /** Literal numbers written with as many digits as the sources give. */
  literal: 1e-12,
  /** ln V of float32 logits that are all zero. */
  uniformLoss: 1e-5,
  /** Place of a valley's bottom from rates one or two octaves apart, in octaves: a fifth of the coarser grid's step, beyond what is drawn at 97 places. */
  optimumOctaves: 0.4,
} as const;
