/**
 * Measures one model as coordinate checks see it: every activation on one fixed
 * batch, and every gain and bias, at a few steps of a short training; seeds are
 * the lanes of a stack. Blocks are alike, so that their tensors go by one name.
 */
import type { Batches, State } from "../engines/engine.ts";
import type { ModelConfig } from "../model/config.ts";
import { trainingStep, type OptimizerConfig } from "../model/step.ts";
import { modelOf, parametersOf } from "../model/transformer.ts";
import { residualMultiplier, type Scaling } from "../parametrization/resolve.ts";
import type { CompleteHyperparameters, Role } from "../parametrization/roles.ts";
import type { Ref } from "../program/ops.ts";
import { initialScalars, initialStates } from "./initialize.ts";
import { attentionLogits, meanMagnitude, meanSquareChange } from "./tensor-statistics.ts";
import type { Compile } from "./train.ts";

/** A model at one width and depth. */
export interface Subject {
  readonly model: ModelConfig;
  readonly scaling: Scaling;
}

/** What is made to matter: Adam as it is trained, an ε that dominates it, or a strong weight decay. */
export type Regime = "adam" | "epsilon" | "decay";

/** One way to train a subject; but for controls from the start, what differs between conditions leaves the initial weights alone. */
export interface Conditions {
  readonly regime: Regime;
  readonly hyperparameters: CompleteHyperparameters;
  /** Adam's ε at the base width. */
  readonly epsilon: number;
  /** A control's: which quantity's rules are broken, the scaling that breaks them, whether weights begin with it, and when it is read. */
  readonly control?: {
    readonly without: string;
    readonly scaling: Scaling;
    readonly fromTheStart: boolean;
    readonly measuredSteps: readonly number[];
  };
}

/** How every model of a check is trained and read. */
export interface Exercise {
  readonly seeds: readonly number[];
  readonly optimizer: OptimizerConfig;
  /** Steps after which coordinates are read: ascending, from 0. */
  readonly measuredSteps: readonly number[];
  /** The batch that is trained on at every step, and read on: [1, B, T]. */
  readonly batch: Batches;
  readonly threads: number;
  /** Which blocks a tensor is averaged over: all, or those halfway through the depth, and the last for what leaves the blocks. */
  readonly blocks: "all" | "halfway";
}

/** What one tensor shows at one step, per seed. */
export interface Reading {
  readonly regime: Regime;
  /** The quantity whose rules are broken, in a control. */
  readonly without?: string;
  readonly tensor: string;
  readonly step: number;
  /** Mean |x_t|. */
  readonly size: readonly number[];
  /** rms(x_t − x_0). */
  readonly update: readonly number[];
}

type Tensors = ReadonlyMap<Ref, Float32Array>;

/** `blocks.3.mlp.up` as `blocks.*.mlp.up`. */
const grouped = (ref: Ref): string => ref.replace(/^blocks\.\d+/, "blocks.*");
/** What a check calls the attention logits of all blocks, which are no tensor of their own. */
export const attentionLogitsName = "blocks.*.attention.logits";
const logitsOf = (mixed: Ref): Ref => mixed.replace(/mixed$/, "logits");

/**
 * Gains and biases: vectors over the width, whose entries must move alike at every width. Keys' biases are left out:
 * softmax ignores them, so that their gradients are nothing but rounding.
 */
const vectorsOf = (model: ModelConfig): readonly Ref[] =>
  parametersOf(model).flatMap(({ name, role }) => (isVector[role] && !name.endsWith("key.bias") ? [name] : []));
const isVector: { readonly [R in Role]: boolean } = {
  ...{ norm: true, head_norm: true, bias: true },
  ...{ embedding: false, hidden: false, readout: false },
};

/** The roles of all tensors that are read, by the names that they are read under. */
export function tensorRoles(model: ModelConfig): ReadonlyMap<string, Role> {
  const vectors = parametersOf(model).map(({ name, role }) => [name, role] as const);
  return new Map([...modelOf(model).roles, ...vectors].map(([name, role]) => [grouped(name), role]));
}

const activationsOf = (model: ModelConfig): readonly Ref[] =>
  modelOf(model).forward.flatMap((op) => {
    if (op.kind === "cross_entropy" || op.kind === "transpose") return [];
    return op.kind === "norm_linear" ? op.branches.map(({ out }) => out) : [op.out];
  });

/** Names under which a model's tensors are read, each after those that it is made of. */
function tensorNames(model: ModelConfig): readonly string[] {
  const names = modelOf(model).forward.flatMap((op): readonly (Ref | undefined)[] => {
    if (op.kind === "cross_entropy" || op.kind === "transpose") return [];
    if (op.kind === "heads") return [op.gain, op.out];
    if (op.kind === "attention") return [logitsOf(op.out), op.out];
    if (op.kind === "linear") return [op.bias, op.out];
    if (op.kind !== "norm_linear") return [op.out];
    return [op.gain, op.shift, ...op.branches.map(({ bias }) => bias), ...op.branches.map(({ out }) => out)];
  });
  const read = new Set<Ref | undefined>([
    ...vectorsOf(model),
    ...activationsOf(model),
    ...names.filter((name) => name?.endsWith(".logits")),
  ]);
  return [...new Set(names.flatMap((name) => (name !== undefined && read.has(name) ? [grouped(name)] : [])))];
}

/**
 * Whether a tensor lies as far through the depth in every model: what enters block L/2 lies at ½, what follows its
 * attention half a block later, as far as block L/2 − 1 lies before, and what leaves the last block at 1.
 * An average over all blocks would move with their number, as a sum over few steps does from an integral.
 */
function isHalfway(ref: Ref, layers: number): boolean {
  const [, index, rest = ""] = /^blocks\.(\d+)\.?(.*)$/.exec(ref) ?? [];
  if (index === undefined) return true;
  const [block, half] = [Number(index), Math.floor(layers / 2)];
  if (rest === "") return block === layers - 1;
  return block === half || (!rest.startsWith("attention.") && block === half - 1);
}

/** Trains one model on every seed under each of some conditions, and reads all its tensors. */
export async function takeReadings(
  compile: Compile,
  { model, scaling }: Subject,
  conditions: readonly Conditions[],
  exercise: Exercise,
): Promise<readonly Reading[]> {
  const { seeds, batch, optimizer, threads } = exercise;
  const sequences = batch.tokens.length / model.context;
  const weightDecay = conditions.some(({ hyperparameters }) => hyperparameters.weight_decay > 0);
  const program = trainingStep(model, { ...optimizer, trials: seeds.length, batch: sequences, weightDecay });
  const executable = await compile(program, { threads, precision: "float32" });
  try {
    const lanes = seeds.map((seed) => ({ seed, hyperparameters: conditions[0].hyperparameters }));
    const starts = conditions.map(({ control }) => (control?.fromTheStart ? control.scaling : scaling));
    const scalings = [...new Set(starts)];
    const states = initialStates(model, scalings, lanes, program);
    const readings: Reading[] = [];
    for (const [index, { regime, hyperparameters, epsilon, control }] of conditions.entries()) {
      const start = states[scalings.indexOf(starts[index])];
      const { without, scaling: scales, measuredSteps } = control ?? { without: undefined, scaling, ...exercise };
      const here = seeds.map((seed) => ({ seed, hyperparameters }));
      executable.load({ ...start, scalars: initialScalars(model, { ...scales, epsilon }, here, program.scalars) });
      let first: Tensors | undefined;
      let done = 0;
      for (const step of measuredSteps) {
        for (; done < step; done++) await executable.train({ ...batch, factors: Float32Array.of(1) });
        const activations = await executable.inspect(batch, activationsOf(model));
        for (const ref of branchesOf(model)) rescale(activations.get(ref), 1 / residualMultiplier(scales));
        const everything = tensorsOf(model, activations, step === 0 ? start : await executable.read(vectorsOf(model)));
        const now = new Map([...everything].filter(([ref]) => exercise.blocks === "all" || isHalfway(ref, model.layers)));
        first ??= now;
        readings.push(...read(model, { regime, step, ...(without !== undefined && { without }) }, first, now, seeds.length));
      }
    }
    return readings;
  } finally {
    await executable.dispose();
  }
}

/** What leaves residual branches with a multiplier: it is read as it was before, so that it keeps its size like the rest. */
const branchesOf = (model: ModelConfig): readonly Ref[] =>
  modelOf(model).forward.flatMap((op) => (op.kind === "linear" && op.multiplier ? [op.out] : []));

function rescale(x: Float32Array | undefined, factor: number): void {
  x?.forEach((value, index) => (x[index] = value * factor));
}

/** Activations, attention logits and vectors of all lanes at one step, [N, …] each. */
function tensorsOf(model: ModelConfig, activations: Tensors, { parameters }: State): Tensors {
  const scores = modelOf(model).forward.flatMap((op) => {
    if (op.kind !== "attention") return [];
    const [query, key] = [op.query, op.key].map((ref) => activations.get(ref) as Float32Array);
    return [[logitsOf(op.out), attentionLogits(query, key, model)] as const];
  });
  const vectors = vectorsOf(model).map((name) => [name, parameters.get(name)?.weight as Float32Array] as const);
  return new Map([...activations, ...scores, ...vectors]);
}

type Moment = Pick<Reading, "regime" | "without" | "step">;
function read(model: ModelConfig, moment: Moment, first: Tensors, now: Tensors, seeds: number): readonly Reading[] {
  const groups = new Map<string, Ref[]>();
  for (const ref of now.keys()) groups.set(grouped(ref), [...(groups.get(grouped(ref)) ?? []), ref]);
  return tensorNames(model).map((tensor): Reading => {
    const refs = groups.get(tensor) ?? [];
    const lane = (values: Float32Array | undefined, index: number): Float32Array => {
      const whole = values as Float32Array;
      return whole.subarray((index * whole.length) / seeds, ((index + 1) * whole.length) / seeds);
    };
    const perSeed = (statistic: (ref: Ref, index: number) => number): number[] =>
      Array.from({ length: seeds }, (_, index) => refs.reduce((sum, ref) => sum + statistic(ref, index), 0) / refs.length);
    return {
      ...moment,
      tensor,
      size: perSeed((ref, index) => meanMagnitude(lane(now.get(ref), index))),
      update: perSeed((ref, index) => meanSquareChange(lane(first.get(ref), index), lane(now.get(ref), index))).map(Math.sqrt),
    };
  });
}
