/**
 * `mutransfer coord-check`: trains small models of several widths (or depths) for a
 * few steps and says whether activations and their updates keep their size, as the
 * parametrization promises. Writes coord-check.json.
 */
import { join } from "node:path";
import { readWindows, trainingStarts } from "../data/batches.ts";
import { cores } from "../engines/cores.ts";
import { EngineUnavailable, engineNames, type Batches, type Engine, type EngineName } from "../engines/engine.ts";
import { engines } from "../engines/registry.ts";
import { exitCodes, UserError, type Diagnostic, type ExitCode } from "../errors.ts";
import { coordCheck, type CheckPlan } from "../evidence/coord-check.ts";
import type { Axis, CoordCheck, Verdict } from "../evidence/records.ts";
import type { Subject } from "../evidence/coordinates.ts";
import { parameterCount } from "../model/config.ts";
import { table } from "../parametrization/table.ts";
import { renderCoordCheck } from "../report/coord-check.ts";
import { jsonText } from "../report/json.ts";
import { seedsFrom } from "../rng.ts";
import { bounds } from "../spec/bounds.ts";
import { baseHps, depthsOf, modelConfig, scaling, statedHyperparameters, type Plan } from "../spec/plan.ts";
import { makeRunFolder, runFiles } from "../sweep/run-folder.ts";
import type { EngineOptions } from "./engine.ts";
import { engineHost } from "./cache.ts";
import { openPlan } from "./files.ts";
import { beyondMemory } from "./memory.ts";
import type { Terminal } from "./terminal.ts";
import { checkWidth } from "./width.ts";

export interface CoordCheckCommand extends Pick<EngineOptions, "engine"> {
  readonly axis: Axis;
  readonly sizes?: readonly number[];
  readonly seeds: number;
  readonly steps: number;
  readonly learningRate?: number;
  readonly out?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

const codes: { readonly [V in Verdict]: ExitCode } = {
  PASS: exitCodes.ok,
  WARN: exitCodes.ok,
  FAIL: exitCodes.notFlat,
  INCONCLUSIVE: exitCodes.inconclusive,
};

export async function checkCoordinates(file: string, options: CoordCheckCommand, terminal: Terminal): Promise<ExitCode> {
  const say = (text: string): void => (options.quiet ? undefined : terminal.err(`${terminal.errStyle.dim(text)}\n`));
  say(`reading ${file}`);
  const plan = await openPlan(file);
  const checkPlan = planCheck(plan, options);
  const tooLarge = memoryProblem(checkPlan);
  if (tooLarge !== undefined) throw new UserError(tooLarge);
  const engine = await openEngine(options.engine, say);
  say(`engine: ${engine.version} on ${engine.device.name}`);
  const record = await coordCheck((program, compileOptions) => engine.compile(program, compileOptions), checkPlan, say);
  const folder = makeRunFolder(options.out ?? join("runs", plan.spec.name));
  folder.write(runFiles.coordCheck, [jsonText(record)]);
  folder.close();
  terminal.out(options.json ? jsonText(record) : `${renderCoordCheck(record, terminal.outStyle)}\n`);
  say(`wrote ${join(folder.path, runFiles.coordCheck)}`);
  return codes[record.verdict];
}

/** The check with its default sizes, seeds and steps, of a plan that is about to be launched; inconclusive where it does not fit. */
export async function checkPlanCoordinates(plan: Plan, say: (text: string) => void): Promise<Pick<CoordCheck, "verdict" | "reason">> {
  const checkPlan = planCheck(plan, { axis: "width", seeds: 5, steps: 10 });
  const tooLarge = memoryProblem(checkPlan);
  if (tooLarge !== undefined) return { verdict: "INCONCLUSIVE", reason: tooLarge.message };
  const engine = await openEngine("auto", say);
  return coordCheck((program, options) => engine.compile(program, options), checkPlan, say);
}

/** Bytes of a parameter: its value, two moments and a gradient. */
const parameterBytes = 16;

/** What is wrong when the largest models exceed the memory; all seeds of a size train at once. */
function memoryProblem({ axis, sizes, seeds, subject }: CheckPlan): Diagnostic | undefined {
  const largest = sizes[sizes.length - 1];
  const least = parameterBytes * seeds.length * parameterCount(subject(largest).model);
  return beyondMemory(least, `${seeds.length} models of ${axis} ${largest} need`, "give smaller --sizes, or fewer --seeds");
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
function planCheck(plan: Plan, { axis, sizes: asked, seeds, steps, learningRate }: CoordCheckCommand): CheckPlan {
  const { spec, dataset } = plan;
  const smallest = spec.width.base * Math.ceil(leastWidth / spec.width.base);
  const { base: baseLayers } = depthsOf(spec);
  const shallowest = baseLayers * Math.ceil(leastDepth / baseLayers);
  const sizes = asked ?? doublings.map((factor) => factor * (axis === "width" ? smallest : shallowest));
  checkSizes(plan, axis, sizes);
  const context = Math.min(spec.model.context, mostContext);
  const stated = baseHps(spec, statedHyperparameters(spec));
  const subject = (size: number): Subject => {
    const [width, layers] = axis === "width" ? [size, baseLayers] : [smallest, size];
    return {
      model: { ...modelConfig(plan, width, layers), context, zeroInit: ["readout", "query"] },
      scaling: scaling(spec, width, layers),
    };
  };
  return {
    name: spec.name,
    axis,
    sizes,
    parametrization: spec.parametrization,
    subject,
    control: (size) => withoutRules(axis, subject(size)),
    hps: { ...stated, learning_rate: learningRate ?? rateFactor * stated.learning_rate },
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
      path: "--sizes",
      message: `a slope needs at least ${fewestSizes} ascending sizes over a factor of ${leastSpan} or more, found ${sizes.join(", ")}`,
      hint: axis === "width" ? "for example --sizes 64,128,256,512" : "for example --sizes 2,4,8,16",
    });
  if (axis === "width") for (const size of sizes) checkWidth(spec, size);
  else if (sizes[sizes.length - 1] > bounds.layers)
    throw new UserError({ code: "bad_sizes", path: "--sizes", message: `a model has at most ${bounds.layers} blocks` });
}

/** The engine that was named, or the first that computes on the CPU: these models are too small for a GPU to help. */
async function openEngine(name: EngineOptions["engine"], say: (text: string) => void): Promise<Engine> {
  const named = name !== undefined && name !== "auto" ? [name] : undefined;
  const candidates: readonly EngineName[] = named ?? engineNames.filter((each) => engines[each].kind === "cpu");
  let reason = "no engine runs here";
  for (const each of candidates) {
    const host = engineHost();
    Object.assign(process.env, engines[each].workers(host, "float32")[0]);
    try {
      return await engines[each].open({ ...host, say });
    } catch (error) {
      if (!(error instanceof EngineUnavailable)) throw error;
      reason = error.message;
    }
  }
  const hint = named === undefined ? "`mutransfer doctor` lists the engines of this machine" : "--engine auto takes one that runs here";
  throw new UserError({ code: "engine_unavailable", message: reason, hint }, exitCodes.engine);
}
