/**
 * What readings at several sizes say: a slope for every tensor, whether it is flat,
 * and which rule of the abc table a slope points at. Pure functions of numbers.
 */
import { option } from "../errors.ts";
import type { Role } from "../parametrization/roles.ts";
import type { attentionLogitsName, Reading, Regime } from "../training/coordinates.ts";
import type { CoordCheck, Coordinate, Verdict } from "./records.ts";
import { estimate, scalingPower, type Estimate } from "./statistics.ts";

/**
 * Largest |slope| that counts as flat, two standard errors included: half of the least power that a broken rule makes.
 * Rules of init stds and multipliers go by ½, those of ε by 1; a rule for weight decay that goes by 1 shows by half, since what
 * decays is also trained. bench/results/coordinates.json has the slopes of right rules and of broken ones on both sides of it.
 */
const flatSlope = { adam: 0.25, epsilon: 0.5, decay: 0.35 } as const satisfies Readonly<Record<Regime, number>>;
/** Standard errors that a verdict allows for. */
const certainty = 2;
const attentionLogits: typeof attentionLogitsName = "blocks.*.attention.logits";

/** Largest |slope| that counts as flat, of one coordinate: a product of two tensors adds their slopes up, those of a broken rule too. */
export const gateOf = ({ regime, tensor }: Pick<Coordinate, "regime" | "tensor">): number =>
  regime !== "epsilon" && tensor === attentionLogits ? 2 * flatSlope[regime] : flatSlope[regime];

function verdictOf({ mean, standardError }: Estimate, gate: number): Verdict {
  if (Math.abs(mean) + certainty * standardError <= gate) return "PASS";
  return Math.abs(mean) - certainty * standardError > gate ? "FAIL" : "WARN";
}

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

/** The coordinate that `key` names, from its values per size and seed. */
export function coordinateOf(
  key: Pick<Coordinate, "regime" | "without" | "tensor" | "statistic" | "step">,
  sizes: readonly number[],
  values: readonly (readonly number[])[],
): Coordinate {
  const estimates = values.map(estimate);
  const summary = {
    means: estimates.map(({ mean }) => finite(mean)),
    standard_errors: estimates.map((each) => finite(each.standardError)),
  };
  const slope = scalingPower(sizes, values);
  if (slope !== undefined)
    return { ...key, ...summary, slope: slope.mean, slope_standard_error: slope.standardError, verdict: verdictOf(slope, gateOf(key)) };
  const none = { ...key, ...summary, slope: null, slope_standard_error: null };
  if (values.flat().every((value) => value === 0)) return { ...none, verdict: "PASS", note: "zero at every size" };
  return { ...none, verdict: "INCONCLUSIVE", note: values.flat().every(Number.isFinite) ? "zero at some size" : "not finite" };
}

/** Every coordinate of a family of models, in the order of regimes, steps and the forward pass. `readings` are per size; of tensors in `movesOnly` there is no size. */
export function coordinatesOf(
  sizes: readonly number[],
  readings: readonly (readonly Reading[])[],
  movesOnly: readonly string[] = [],
): readonly Coordinate[] {
  return readings[0].flatMap(({ regime, without, tensor, step }, index) => {
    const place = { regime, ...(without !== undefined && { without }), tensor, step };
    const size = movesOnly.includes(tensor) ? ([] as const) : (["size"] as const);
    const statistics = [...size, ...(place.step === 0 ? ([] as const) : (["update"] as const))];
    return statistics.map((statistic) =>
      coordinateOf(
        { ...place, statistic },
        sizes,
        readings.map((each) => each[index][statistic]),
      ),
    );
  });
}

/** Quantities of the abc table that show in each regime, at the start and later. */
const quantities: { readonly [R in Regime]: (role: Role, step: number) => string } = {
  adam: (role, step) => {
    if (step > 0) return role === "readout" ? "multiplier or learning_rate" : "learning_rate";
    return role === "hidden" ? "init_std" : "multiplier or init_std";
  },
  epsilon: () => "epsilon",
  decay: () => "weight_decay",
};

/** Quantities of the rules for depth that show in each regime, at the start and later: those know residual branches and blocks. */
const depthQuantities: { readonly [R in Regime]: (step: number) => string } = {
  adam: (step) => (step === 0 ? "residual × multiplier" : "blocks × learning_rate, or residual × multiplier"),
  epsilon: () => "blocks × epsilon",
  decay: () => "blocks × weight_decay",
};

/**
 * The rule of the abc table that the first steep coordinate points at. What is wrong with one tensor spreads to those
 * after it and to later steps, so the first in order is where it began.
 */
function ruleOf({ axis, roles }: Judged, { regime, tensor, step }: Pick<Coordinate, "regime" | "tensor" | "step">): string {
  if (axis === "depth") return depthQuantities[regime](step);
  // Attention logits are no tensor of the model, and made of hidden ones.
  const role = roles.get(tensor) ?? "hidden";
  return `${role} × ${quantities[regime](role, step)}`;
}

/** What a coordinate check comes to. */
export interface Judgement {
  readonly verdict: Verdict;
  /** One line a person can act on. */
  readonly reason: string;
}

const signed = (value: number): string => `${value < 0 ? "−" : ""}${Math.abs(value).toFixed(2)}`;
function describe({ tensor, statistic, step, regime, slope, slope_standard_error: error }: Coordinate, axis: string): string {
  const what = statistic === "size" ? "mean |x|" : "rms of the update";
  const where = regime === "adam" ? `at step ${step}` : `at step ${step} of the ${regime} regime`;
  return `${tensor}: ${what} ${where} follows ${axis}^${signed(slope ?? NaN)} ± ${(error ?? NaN).toFixed(2)}`;
}

const steepness = ({ slope }: Coordinate): number => Math.abs(slope ?? 0);
const steepest = (coordinates: readonly Coordinate[]): Coordinate | undefined =>
  coordinates.reduce<Coordinate | undefined>(
    (best, each) => (best === undefined || steepness(each) > steepness(best) ? each : best),
    undefined,
  );

/** What a check found, for a verdict. */
export interface Judged {
  readonly axis: "width" | "depth";
  /** The roles of tensors, by the names that coordinates have for them. */
  readonly roles: ReadonlyMap<string, Role>;
  readonly coordinates: readonly Coordinate[];
  /** Those of all controls. */
  readonly control: readonly Coordinate[];
  /** The quantities whose rules the controls break, one after the other. */
  readonly quantities: readonly string[];
  /** Parameters of the model of each size. */
  readonly parameters: readonly number[];
  /** Hyperparameters that were taken nearer than the spec states them, since flatness cannot be judged there. */
  readonly substitutes: readonly Substitute[];
  /** Set where nobody could follow advice to give other options, so that reasons have none. */
  readonly withoutAdvice?: true;
}

/** `hyperparameter` at its nearest value at which flatness can be judged. */
export type Substitute = NonNullable<CoordCheck["substitutes"]>[number];

/** Why a check says nothing of the rules, if that is so. */
function inconclusive({ axis, coordinates, control, quantities, parameters, withoutAdvice }: Judged): string | undefined {
  const advised = (found: string, advice: string): string => (withoutAdvice ? found : `${found}: try ${advice}`);
  const lower = `a lower ${option("learningRate")}`;
  const higher = `a higher ${option("learningRate")}`;
  if (new Set(parameters).size < parameters.length) return `models of different ${axis} have the same number of parameters`;
  // What a training that has blown up leaves behind says nothing of rules.
  const wild = coordinates.find(({ means }) => means.includes(null));
  if (wild !== undefined) return advised(`${wild.tensor} at step ${wild.step} is not finite`, lower);
  if (coordinates.some(({ verdict }) => verdict === "FAIL")) return undefined;
  const unclear = coordinates.find(({ verdict }) => verdict === "INCONCLUSIVE");
  if (unclear !== undefined) return advised(`${unclear.tensor} at step ${unclear.step} is ${unclear.note ?? "unclear"}`, lower);
  const last = Math.max(...coordinates.map(({ step }) => step));
  const still = coordinates.find(({ step, statistic, slope }) => step === last && statistic === "update" && slope === null);
  if (still !== undefined) return advised(`${still.tensor} did not move in ${last} steps`, `more ${option("steps")} or ${higher}`);
  if (quantities.length === 0) return "this parametrization has no rules for it that a control could break";
  const unseen = quantities.filter((quantity) => !control.some(({ without, verdict }) => without === quantity && verdict === "FAIL"));
  if (unseen.length === 0) return undefined;
  const flat = `the control is flat without the rules for ${unseen.join(", ")}, so this check would not have seen a broken one`;
  return advised(flat, `${higher} or more sizes`);
}

/** The verdict on a family of models beside its controls. */
export function judge(judged: Judged): Judgement {
  const { axis, coordinates, substitutes, withoutAdvice } = judged;
  const of = (verdict: Verdict): readonly Coordinate[] => coordinates.filter((each) => each.verdict === verdict);
  const nothing = inconclusive(judged);
  if (nothing !== undefined) return { verdict: "INCONCLUSIVE", reason: nothing };
  const [first] = of("FAIL");
  if (first !== undefined) {
    const chaos = `, unless the learning rate is too high for these models${withoutAdvice ? "" : ` (${option("learningRate")})`}`;
    return { verdict: "FAIL", reason: `${describe(first, axis)}: look at ${ruleOf(judged, first)}${first.step === 0 ? "" : chaos}` };
  }
  const doubtful = of("WARN");
  const worst = steepest(doubtful);
  if (worst !== undefined) {
    const advice = withoutAdvice ? "" : `: larger ${option("sizes")} or more ${option("seeds")} will tell`;
    const found = `${doubtful.length} of ${coordinates.length} coordinates are not surely flat; the steepest is ${describe(worst, axis)}`;
    return { verdict: "WARN", reason: `${found}${advice}` };
  }
  const { adam, epsilon, decay } = flatSlope;
  const flat = `all ${coordinates.length} coordinates are flat: |slope| + 2 standard errors ≤ ${adam}, ≤ ${epsilon} with an ε above the gradients, ≤ ${decay} with a strong decay; for attention logits without such an ε twice as much`;
  if (substitutes.length === 0) return { verdict: "PASS", reason: flat };
  const outside = substitutes.map(
    ({ hyperparameter, stated, judged_at: at }) =>
      `${hyperparameter} ${stated} is outside the range in which flatness can be judged; at ${at}`,
  );
  return { verdict: "WARN", reason: `${outside.join(", and ")} ${flat}` };
}
