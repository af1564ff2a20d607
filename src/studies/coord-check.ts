/**
 * A coordinate check: trains small models of several widths (or depths) for a few steps and
 * says whether activations and their updates keep their size, as the parametrization promises.
 * Here are its models and where they are trained; what the numbers say is evidence's business.
 */
import { join } from "node:path";
import { readWindows, trainingStarts } from "../data/batches.ts";
import { cores } from "../engines/cores.ts";
import type { Batches } from "../engines/engine.ts";
import { option, UserError, type Diagnostic } from "../errors.ts";
import { coordCheck, type CheckPlan } from "../evidence/coord-check.ts";
import type { Axis, CoordCheck } from "../evidence/records.ts";
import { parameterCount, type Size } from "../model/config.ts";
import { table } from "../parametrization/table.ts";
import type { Engines, EngineOptions } from "../placement/engines.ts";
import { beyondMemory } from "../placement/memory.ts";
import { seedsFrom } from "../rng.ts";
import { writeRecord } from "../run/outputs.ts";
import { makeRunFolder, runFiles, runPath } from "../run/run-folder.ts";
import { bounds } from "../spec/bounds.ts";
import { completeHyperparameters, modelConfig, scaling, sizesOf, statedHyperparameters, type Plan } from "../spec/plan.ts";
import { checkWidth } from "../spec/width.ts";
import type { Subject } from "../training/coordinates.ts";
import { holding, withEngines, type Setting } from "./setting.ts";

export type { Verdict } from "../evidence/records.ts";

/** What is compared, and how long. */
export interface CheckOptions {
  /** What differs between the models. */
  readonly axis: Axis;
  /** Widths or depths, ascending; 1, 2, 4 and 8 times the base unless given. */
  readonly sizes?: readonly number[];
  readonly seeds: number;
  readonly steps: number;
  /** At the base width; twice the one that the spec states unless given. */
  readonly learningRate?: number;
}

/** The same, and where it is trained and kept. */
export interface CoordCheckOptions extends CheckOptions, Pick<EngineOptions, "engine"> {
  /** The run folder; runs/<name> unless given. */
  readonly out?: string;
}

/** Checks a plan's coordinates, and writes coord-check.json. */
export async function checkCoordinates(
  plan: Plan,
  options: CoordCheckOptions,
  setting: Setting,
): Promise<{ readonly record: CoordCheck; readonly path: string }> {
  const checkPlan = planCheck(plan, options);
  const tooLarge = memoryProblem(checkPlan);
  if (tooLarge !== undefined) throw new UserError(tooLarge);
  return withEngines(options, setting, async (engines) => {
    const record = await readAndJudge(checkPlan, engines, setting, "coord-check");
    const path = await holding(makeRunFolder(runPath(plan.spec.name, options.out)), (folder) => {
      writeRecord(folder, "coordCheck", record);
      return join(folder.path, runFiles.coordCheck);
    });
    return { record, path };
  });
}

/**
 * The check with its default sizes, seeds and steps, of a plan that is about to be launched, on engines that are the caller's;
 * inconclusive where it does not fit.
 * `heed` is called before each size, and throws when there shall be no more.
 */
export async function checkPlanCoordinates(
  plan: Plan,
  engines: Engines,
  setting: Setting,
  heed: () => void,
): Promise<Pick<CoordCheck, "verdict" | "reason">> {
  const checkPlan = planCheck(plan, { axis: "width", seeds: 5, steps: 10 });
  const tooLarge = memoryProblem(checkPlan);
  if (tooLarge !== undefined) return { verdict: "INCONCLUSIVE", reason: tooLarge.message };
  return readAndJudge(checkPlan, engines, setting, "prelaunch", heed);
}

/** Trains the models of every size on the first engine that can, and judges what was read of them. */
async function readAndJudge(
  checkPlan: CheckPlan,
  engines: Engines,
  { emit }: Setting,
  within: "coord-check" | "prelaunch",
  heed: () => void = () => undefined,
): Promise<CoordCheck> {
  const { version, device, pool } = await engines.first("float32");
  if (within === "coord-check") emit({ event: "engine_chosen", version, device });
  return coordCheck(
    (subject, conditions, exercise) =>
      pool.run({ kind: "readings", subject, conditions, exercise }, (news) => "note" in news && emit({ event: "note", note: news.note })),
    checkPlan,
    (size) => {
      heed();
      emit({ event: "size_started", axis: checkPlan.axis, size, within });
    },
  );
}

/** Bytes of a parameter: its value, two moments and a gradient. */
const parameterBytes = 16;

/** What is wrong when the largest models exceed the memory; all seeds of a size train at once. */
function memoryProblem({ axis, sizes, seeds, parameters }: CheckPlan): Diagnostic | undefined {
  const largest = sizes[sizes.length - 1];
  const least = parameterBytes * seeds.length * parameters(largest);
  return beyondMemory(
    least,
    `${seeds.length} models of ${axis} ${largest} need`,
    `give smaller ${option("sizes")}, or fewer ${option("seeds")}`,
  );
}

/** The smallest width of a check: below it, what a model does for being narrow hides what its scales do. */
const leastWidth = 64;
/** The smallest depth: below it, one block is too much of the whole. */
const leastDepth = 4;
/** Tokens that models are trained and read on: one short sequence, so that all seeds and widths soon agree on its gradient. */
const mostContext = 64;
/** Learning rate of a check, in units of the one that the spec states. */
const rateFactor = 2;
const doublings = [1, 2, 4, 8];

/** What is checked: the spec's model with every searched hyperparameter at its default, and zero-initialised where theory advises it. */
function planCheck(plan: Plan, { axis, sizes: asked, seeds, steps, learningRate }: CheckOptions): CheckPlan {
  const { spec, dataset } = plan;
  const { base } = sizesOf(spec);
  const smallest = base.width * Math.ceil(leastWidth / base.width);
  const shallowest = base.layers * Math.ceil(leastDepth / base.layers);
  const sizes = asked ?? doublings.map((factor) => factor * (axis === "width" ? smallest : shallowest));
  checkSizes(plan, axis, sizes);
  const context = Math.min(spec.model.context, mostContext);
  const stated = completeHyperparameters(spec, statedHyperparameters(spec));
  const subject = (size: number): Subject => {
    const at: Size = axis === "width" ? { width: size, layers: base.layers } : { width: smallest, layers: size };
    return {
      model: { ...modelConfig(plan, at), context, zeroInit: ["readout", "query"] },
      scaling: scaling(spec, at),
    };
  };
  return {
    name: spec.name,
    axis,
    sizes,
    parametrization: spec.parametrization,
    subject,
    control: (size) => withoutRules(axis, subject(size)),
    parameters: (size) => parameterCount(subject(size).model),
    hyperparameters: { ...stated, learning_rate: learningRate ?? rateFactor * stated.learning_rate },
    epsilon: spec.train.optimizer.epsilon,
    seeds: seedsFrom(spec.seed, seeds),
    steps,
    beta1: spec.train.optimizer.beta1,
    beta2: spec.train.optimizer.beta2,
    batch: oneSequence(dataset.train, spec.seed, context),
    threads: cores(),
  };
}

function withoutRules(axis: Axis, { model, scaling: { depth, ...scales } }: Subject): Subject {
  if (axis === "depth") {
    const { scaledResiduals, ...plainModel } = model;
    return { model: scaledResiduals ? plainModel : model, scaling: scales };
  }
  return { model, scaling: { ...scales, ...(depth && { depth }), rules: table.sp } };
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
      hint: axis === "width" ? `for example ${option("sizes")} 64,128,256,512` : `for example ${option("sizes")} 2,4,8,16`,
    });
  if (axis === "width") for (const size of sizes) checkWidth(spec, size);
  else if (sizes[sizes.length - 1] > bounds.layers)
    throw new UserError({ code: "bad_sizes", path: option("sizes"), message: `a model has at most ${bounds.layers} blocks` });
}
