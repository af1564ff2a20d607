/**
 * What a coordinate check trains for a plan: its models, their sizes, and the conditions
 * they are trained under. Where it is trained, and what the numbers say, is others' business.
 */
import { readWindows, trainingStarts } from "../data/batches.ts";
import { cores } from "../engines/cores.ts";
import type { Batches } from "../engines/engine.ts";
import { option, UserError, type Diagnostic } from "../errors.ts";
import type { CheckPlan } from "../evidence/coord-check.ts";
import type { Axis } from "../evidence/records.ts";
import type { Size } from "../model/config.ts";
import { parameterCount } from "../model/counts.ts";
import type { OptimizerConfig } from "../model/step.ts";
import type { Scaling } from "../parametrization/resolve.ts";
import type { CompleteHyperparameters } from "../parametrization/roles.ts";
import { beyondMemory } from "../placement/memory.ts";
import { seedsFrom } from "../rng.ts";
import { architectureOf, zeroInitsOf } from "../spec/architecture.ts";
import { bounds } from "../spec/bounds.ts";
import { completeHyperparameters, modelConfig, scaling, sizesOf, statedHyperparameters, type Plan } from "../spec/plan.ts";
import { trainConfig } from "../spec/training.ts";
import { checkWidth, isWidth } from "../spec/width.ts";
import { tensorRoles, type Subject } from "../training/coordinates.ts";
import { controlsOf } from "./controls.ts";
import { withinRange } from "./judgeable.ts";

/** What is compared, and how long. */
export interface CheckOptions {
  /** What differs between the models. */
  readonly axis: Axis;
  /** Widths or depths, ascending; unless given, 1, 2, 4 and 8 times the smallest that is judged well. */
  readonly sizes?: readonly number[];
  /** How many of each size; where coordinates are in doubt, as many again, up to three times. */
  readonly seeds: number;
  readonly steps: number;
  /** At the base width that is judged; twice the one that the spec states unless given, or the highest at which flatness can be judged. */
  readonly learningRate?: number;
}

/** The smallest sizes that can be judged: below them, what a model does for being narrow or shallow hides what its scales do. */
const least: { readonly [A in Axis]: number } = { width: 32, depth: 4 };
/** The smallest width unless sizes are given, at which it does much less. */
const usualWidth = 64;
/** Tokens that models are trained and read on: one short sequence, so that all seeds and widths soon agree on its gradient. */
const mostContext = 64;
/** Learning rate of a check, in units of the one that the spec states. */
const rateFactor = 2;
/**
 * Learning rate × base width × output multiplier: by about as much a step moves hidden tensors and logits.
 * Above it, a few steps leave nothing of how they began, and chaos hides their slopes.
 */
const mostMovement = 1.28;
const doublings = [1, 2, 4, 8];
/**
 * Blocks of models of different width, and at the base of those of different depth, at most. A few steps of deep models
 * depend on chance too much; and what blocks begin with adds up at random, to a share of the residual stream that falls
 * like base² ÷ depth: with more blocks at the base it hides the rules up to depths that nobody trains here.
 */
const mostBlocks = 2;
/**
 * How many times the base width the smallest of models of different width is at most: without its rule the decay of a step
 * falls like 1 ÷ that, and where it is weak at every width its slope is too flat for the control to be seen.
 */
const mostTimesBase = 2;
/** How often doubtful coordinates are given as many seeds as there were. */
const furtherRounds = 3;

/** What is checked, and what is not as it was asked for: the spec's model with every searched hyperparameter at its default, and zero-initialised where theory advises it. */
export function planCheck(plan: Plan, options: CheckOptions): { readonly checkPlan: CheckPlan; readonly notes: readonly string[] } {
  const { axis, seeds, steps, learningRate } = options;
  const { spec, dataset } = plan;
  const { base } = sizesOf(spec);
  const narrowest = narrowestOf(plan);
  const { sizes, notes } = sizesToJudge(plan, options, narrowest);
  const context = Math.min(spec.model.context, mostContext);
  const stated = completeHyperparameters(spec, statedHyperparameters(spec));
  const { hyperparameters, substitutes } = withinRange(stated, architectureOf(spec.model).tied_embeddings ? base.width : undefined);
  const baseWidth = axis === "width" ? Math.max(base.width, sizes[0] / mostTimesBase) : base.width;
  const subject = (size: number): Subject => {
    const at: Size = axis === "width" ? { width: size, layers: Math.min(mostBlocks, base.layers) } : { width: narrowest, layers: size };
    return {
      model: { ...modelConfig(plan, at), context, zeroInit: zeroInitsOf(architectureOf(spec.model)) },
      scaling: { ...ofShallowBase(scaling(spec, at)), baseWidth },
    };
  };
  const allSeeds = seedsFrom(spec.seed, seeds * (1 + furtherRounds));
  const checkPlan: CheckPlan = {
    name: spec.name,
    axis,
    sizes,
    parametrization: spec.parametrization,
    subject,
    controls: controlsOf(axis, scaling(spec, base)),
    parameters: (size) => parameterCount(subject(size).model),
    roles: tensorRoles(subject(sizes[0]).model),
    movesOnly: subject(sizes[0]).model.tiedEmbeddings ? ["logits"] : [],
    hyperparameters: { ...hyperparameters, ...ratesOf(hyperparameters, baseWidth, learningRate) },
    substitutes,
    epsilon: spec.train.optimizer.epsilon,
    rounds: Array.from({ length: 1 + furtherRounds }, (_, round) => allSeeds.slice(round * seeds, (round + 1) * seeds)),
    steps,
    optimizer: withoutClipping(trainConfig(spec)),
    batch: oneSequence(dataset.train, spec.seed, context),
    threads: cores(),
  };
  const outside = substitutes.map(
    ({ hyperparameter, stated: value, judged_at: at }) =>
      `${hyperparameter} ${value} is outside the range in which flatness can be judged: judging at ${at} instead`,
  );
  const narrow =
    baseWidth > base.width
      ? [
          `width ${sizes[0]} is more than ${mostTimesBase} times base width ${base.width}, too many to judge: the base width is ${baseWidth} instead`,
        ]
      : [];
  return { checkPlan, notes: [...notes, ...narrow, ...outside] };
}

const withoutClipping = ({ beta1, beta2, muonMomentum }: OptimizerConfig): OptimizerConfig => ({
  ...{ beta1, beta2 },
  ...(muonMomentum !== undefined && { muonMomentum }),
});

/** The learning rate of a check unless it is given, and Muon's where there is Muon: by it hidden matrices move a quarter as far as AdamW would move them. */
function ratesOf(stated: CompleteHyperparameters, baseWidth: number, given?: number): Partial<CompleteHyperparameters> {
  const rate = given ?? Math.min(rateFactor * stated.learning_rate, mostMovement / (baseWidth * Math.max(1, stated.output_multiplier)));
  return { learning_rate: rate, ...(stated.muon_learning_rate !== undefined && { muon_learning_rate: (rate * baseWidth) / 4 }) };
}

/** The narrowest width, from the usual one on, of which the model can have all multiples that a check needs. */
function narrowestOf({ spec }: Plan): number {
  const { model, width } = spec;
  const step = model.head_dim;
  // A multiple of the base width always does.
  const last = width.base * Math.ceil(usualWidth / width.base);
  for (let at = step * Math.ceil(usualWidth / step); at < last; at += step)
    if (doublings.every((factor) => isWidth(model, factor * at))) return at;
  return last;
}

/** The sizes that are compared: those asked for, or as many times as large as it takes to judge them. */
function sizesToJudge(
  plan: Plan,
  { axis, sizes: asked }: CheckOptions,
  narrowest: number,
): { readonly sizes: readonly number[]; readonly notes: readonly string[] } {
  const { base } = sizesOf(plan.spec);
  const sizes = asked ?? doublings.map((factor) => factor * (axis === "width" ? narrowest : least.depth));
  checkSizes(plan, axis, sizes);
  const shallow = axis === "width" ? `comparing models of ${mostBlocks}` : `the base is ${mostBlocks} blocks`;
  const notes =
    base.layers > mostBlocks ? [`few steps of models with ${base.layers} blocks at the base cannot be judged: ${shallow} instead`] : [];
  const factor = Math.ceil(least[axis] / sizes[0]);
  if (factor <= 1) return { sizes, notes };
  const larger = sizes.map((size) => factor * size);
  checkSizes(plan, axis, larger);
  return { sizes: larger, notes: [...notes, `${axis} ${sizes[0]} is too small to judge: comparing ${larger.join(", ")} instead`] };
}

function ofShallowBase({ depth, ...scales }: Scaling): Scaling {
  return { ...scales, ...(depth && { depth: { ...depth, baseLayers: Math.min(mostBlocks, depth.baseLayers) } }) };
}

/** Bytes of a parameter: its value, two moments and a gradient. */
const parameterBytes = 16;

/** What is wrong when the largest models exceed the memory; all seeds of a size train at once. */
export function memoryProblem({ axis, sizes, rounds: [seeds], parameters }: CheckPlan): Diagnostic | undefined {
  const largest = sizes[sizes.length - 1];
  return beyondMemory(
    parameterBytes * seeds.length * parameters(largest),
    `${seeds.length} models of ${axis} ${largest} need`,
    `give smaller ${option("sizes")}, or fewer ${option("seeds")}`,
  );
}

function oneSequence(tokens: Plan["dataset"]["train"], seed: number, context: number): Batches {
  const shape = { batch: 1, context };
  return readWindows(tokens, trainingStarts(seed, 1, tokens.count, shape), shape);
}

/** Slopes need some sizes, far enough apart. */
const [fewestSizes, leastSpan] = [4, 8];
function checkSizes({ spec }: Plan, axis: Axis, sizes: readonly number[]): void {
  const ascending = sizes.every((size, index) => index === 0 || size > sizes[index - 1]);
  if (!ascending || sizes.length < fewestSizes || sizes[sizes.length - 1] < leastSpan * sizes[0])
    throw new UserError({
      code: "bad_sizes",
      path: option("sizes"),
      message: `a slope needs at least ${fewestSizes} ascending sizes over a factor of ${leastSpan} or more, found ${sizes.join(", ")}`,
      hint: axis === "width" ? `for example ${option("sizes")} 64,128,256,512` : `for example ${option("sizes")} 4,8,16,32`,
    });
  if (axis === "width") for (const size of sizes) checkWidth(spec, size, undefined, option("sizes"));
  else if (sizes[sizes.length - 1] > bounds.layers)
    throw new UserError({ code: "bad_sizes", path: option("sizes"), message: `a model has at most ${bounds.layers} blocks` });
}
