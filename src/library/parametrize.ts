/**
 * The parametrization for models that are trained elsewhere: what each tensor of anybody's
 * transformer gets at a width (and depth). Checks what it is given; the rules are parametrization's.
 */
import { UserError, type Diagnostic } from "../errors.ts";
import { attentionScale, residualMultiplier, resolve, type ResolvedScales, type Scaling } from "../parametrization/resolve.ts";
import {
  parametrizations,
  transferable,
  type CompleteHyperparameters,
  type Hyperparameters,
  type Parametrization,
  type Role,
} from "../parametrization/roles.ts";
import { depthTable, rulesOf } from "../parametrization/table.ts";
import { defined, flag, mapping, nonNegative, oneOf, positive, problemsIn, whole, wrong, type Rules } from "./arguments.ts";

/** A tensor of somebody's model. */
export interface TensorInput {
  /**
   * `embedding`: from tokens or positions, a readout that is the same tensor included, whose logits have a `readout`'s multiplier; `hidden`:
   * from width to width; `readout`: from width to tokens; `norm`, `bias`: gains and biases; `head_norm`: gains that all heads share.
   */
  readonly role: Role;
  /** Inputs of its product at the width that is asked about; needed for `hidden` and `readout`. */
  readonly fanIn?: number;
  /** Whether it starts at zero. */
  readonly zeroInit?: boolean;
  /** Whether it belongs to a block, so that rules for depth apply; yes unless given for `hidden` and `head_norm`, no for others. */
  readonly inBlock?: boolean;
}

/** A model at a width, and the hyperparameters that it gets, as stated at the base width. */
export interface ParametrizeInput<Name extends string = string> {
  /** `mup` unless given. */
  readonly parametrization?: Parametrization;
  readonly width: number;
  /** The width at which hyperparameters are stated. */
  readonly baseWidth: number;
  /** Columns of one attention head, the same at every width. */
  readonly headDim: number;
  /** For `completep`: blocks, and blocks at which hyperparameters are stated. */
  readonly depth?: { readonly layers: number; readonly baseLayers: number };
  /** Those that are absent are at their defaults: 1, weight decay 0. With a `muon_learning_rate`, Muon trains `hidden` tensors. */
  readonly hyperparameters: Hyperparameters & { readonly learning_rate: number };
  /** Adam's ε at the base width; 1e-8 unless given. */
  readonly epsilon?: number;
  readonly tensors: Readonly<Record<Name, TensorInput>>;
}

/** What a model gets at a width. */
export interface Parametrized<Name extends string = string> {
  /** Factor on q·k. */
  readonly attentionScale: number;
  /** Factor on what blocks add to the residual stream; 1 where nothing follows the depth. */
  readonly residualMultiplier: number;
  readonly tensors: Readonly<Record<Name, ResolvedScales>>;
}

const productRoles: ReadonlySet<Role> = new Set(["hidden", "readout"]);
/** Roles that only tensors of blocks have. */
const blockRoles: ReadonlySet<Role> = new Set(["hidden", "head_norm"]);
const roles: { readonly [R in Role]: true } = { embedding: true, hidden: true, readout: true, norm: true, head_norm: true, bias: true };

const inputRules: Rules<ParametrizeInput> = {
  parametrization: oneOf(...parametrizations),
  ...{ width: whole(1), baseWidth: whole(1), headDim: whole(1), epsilon: nonNegative },
  ...{ depth: mapping, hyperparameters: mapping, tensors: mapping },
};
const depthRules: Rules<NonNullable<ParametrizeInput["depth"]>> = { layers: whole(1), baseLayers: whole(1) };
const hyperparameterRules: Rules<Hyperparameters> = {
  ...{ learning_rate: positive, init_std: nonNegative, embedding_std: nonNegative, weight_decay: nonNegative },
  ...{ input_multiplier: positive, output_multiplier: positive, attention_multiplier: positive },
  ...{ embedding_learning_rate: positive, norm_learning_rate: positive, muon_learning_rate: positive },
};
const tensorRules: Rules<TensorInput> = { role: oneOf(...Object.keys(roles)), fanIn: whole(1), zeroInit: flag, inBlock: flag };

/**
 * What each tensor gets at one width: multiplier on its forward value, std of its initial values, learning rate, weight decay
 * (decoupled, multiplied by the learning rate) and Adam's ε. Muon's learning rate is that of an orthogonal update × √(fan_out / fan_in). Throws a UserError that names every number out of range.
 * Source of the rules: Tensor Programs V, table 8; CompleteP.
 */
export function parametrize<Name extends string>(input: ParametrizeInput<Name>): Parametrized<Name> {
  const problems = problemsOf(input);
  if (problems.length > 0) throw new UserError(problems);
  const { parametrization = "mup", width, baseWidth, headDim, depth, epsilon = 1e-8, tensors } = input;
  const defaults = Object.fromEntries(Object.entries(transferable).map(([name, each]) => [name, each.default]));
  const hyperparameters = { ...defaults, weight_decay: 0, ...defined(input.hyperparameters) } as CompleteHyperparameters;
  const depthRules = depthTable[parametrization];
  const muon = hyperparameters.muon_learning_rate !== undefined;
  const scaling: Scaling = {
    ...{ rules: rulesOf(parametrization, { muon, qkNorm: true }), width, baseWidth, headDim, epsilon },
    ...(muon && { muon }),
    ...(depthRules !== undefined && depth !== undefined && { depth: { rules: depthRules, ...depth } }),
  };
  const scalesOf = ({ role, fanIn = 1, zeroInit = false, inBlock = blockRoles.has(role) }: TensorInput): ResolvedScales =>
    resolve(hyperparameters, scaling, {
      ...{ role, zeroInit, inBlock },
      baseFanIn: productRoles.has(role) ? (fanIn * baseWidth) / width : 1,
    });
  const rows = (Object.entries(tensors) as [Name, TensorInput][]).map(([name, tensor]) => [name, scalesOf(tensor)]);
  return {
    attentionScale: attentionScale(hyperparameters, scaling),
    residualMultiplier: residualMultiplier(scaling),
    tensors: Object.fromEntries(rows) as Record<Name, ResolvedScales>,
  };
}

/** Everything that is wrong with numbers and names. */
function problemsOf(input: ParametrizeInput): readonly Diagnostic[] {
  const own = problemsIn("", input, inputRules, ["width", "baseWidth", "headDim", "hyperparameters", "tensors"]);
  // Without these nothing more can be said.
  if (own.some(({ path = "" }) => ["argument", "parametrization", "hyperparameters", "tensors"].includes(path))) return own;
  const { parametrization = "mup", depth, hyperparameters, tensors } = input;
  const followsDepth = depthTable[parametrization] !== undefined;
  const ofDepth = (): readonly Diagnostic[] => {
    if (followsDepth) return problemsIn("depth", depth, depthRules, ["layers", "baseLayers"]);
    return depth === undefined ? [] : [wrong("depth", `nothing: ${parametrization} does not follow the depth`, depth)];
  };
  return [
    ...own.filter(({ path }) => path !== "depth"),
    ...ofDepth(),
    ...problemsIn("hyperparameters", hyperparameters, hyperparameterRules, ["learning_rate"]),
    ...Object.entries(tensors).flatMap(([name, tensor]) => {
      const where = `tensors.${name}`;
      const needsFanIn = productRoles.has((tensor as TensorInput | null)?.role as Role);
      return problemsIn(where, tensor, tensorRules, needsFanIn ? ["role", "fanIn"] : ["role"]);
    }),
  ];
}
