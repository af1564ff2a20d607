/**
 * What readings at several sizes say: a slope for every tensor, whether it is flat,
 * and which rule of the abc table a slope points at. Pure functions of numbers.
 */
import { option } from "../errors.ts";
import type { Role } from "../parametrization/roles.ts";
import type { attentionLogitsName, Reading, Regime } from "../training/coordinates.ts";
import type { Coordinate, Verdict } from "./records.ts";
import { estimate, scalingPower, type Estimate } from "./statistics.ts";

/** Largest |slope| that counts as flat, two standard errors included; twice as much, certainly, is a broken rule: those make ½ or 1. */
const flatSlope = 0.1;
/** Standard errors that a verdict allows for. */
const certainty = 2;
const attentionLogits: typeof attentionLogitsName = "blocks.*.attention.logits";

/**
 * A product of two tensors adds their slopes up, and where updates are proportional to gradients instead of to their
 * signs, they inherit the noise of narrow models: both are allowed twice the slope.
 */
function gateOf({ regime, tensor }: Pick<Coordinate, "regime" | "tensor">): number {
  return regime !== "adam" || tensor === attentionLogits ? 2 * flatSlope : flatSlope;
}

function verdictOf({ mean, standardError }: Estimate, gate: number): Verdict {
  if (Math.abs(mean) + certainty * standardError <= gate) return "PASS";
  return Math.abs(mean) - certainty * standardError > 2 * gate ? "FAIL" : "WARN";
}

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

/** The coordinate that `key` names, from its values per size and seed. */
export function coordinateOf(
  key: Pick<Coordinate, "regime" | "tensor" | "statistic" | "step">,
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

/** Every coordinate of a family of models, in the order of regimes, steps and the forward pass. `readings` are per size. */
export function coordinatesOf(sizes: readonly number[], readings: readonly (readonly Reading[])[]): readonly Coordinate[] {
  return readings[0].flatMap(({ regime, tensor, step }, index) => {
    const statistics = step === 0 ? (["size"] as const) : (["size", "update"] as const);
    return statistics.map((statistic) =>
      coordinateOf(
        { regime, tensor, statistic, step },
        sizes,
        readings.map((each) => each[index][statistic]),
      ),
    );
  });
}

function roleOf(tensor: string): Role {
  if (tensor.endsWith(".gain")) return "norm";
  if (tensor.endsWith(".bias")) return "bias";
  return tensor === "embedded" ? "embedding" : tensor === "logits" ? "readout" : "hidden";
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
function ruleOf(axis: "width" | "depth", { regime, tensor, step }: Pick<Coordinate, "regime" | "tensor" | "step">): string {
  if (axis === "depth") return depthQuantities[regime](step);
  const role = roleOf(tensor);
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

/** The verdict on a family of models beside its control; `parameters` are per size. */
export function judge(
  axis: "width" | "depth",
  coordinates: readonly Coordinate[],
  control: readonly Coordinate[],
  parameters: readonly number[],
): Judgement {
  const of = (verdict: Verdict): readonly Coordinate[] => coordinates.filter((each) => each.verdict === verdict);
  if (new Set(parameters).size < parameters.length)
    return { verdict: "INCONCLUSIVE", reason: `models of different ${axis} have the same number of parameters` };
  // What a training that has blown up leaves behind says nothing of rules.
  const wild = coordinates.find(({ means }) => means.includes(null));
  if (wild !== undefined)
    return { verdict: "INCONCLUSIVE", reason: `${wild.tensor} at step ${wild.step} is not finite: try a lower ${option("learningRate")}` };
  const [first] = of("FAIL");
  if (first !== undefined)
    return {
      verdict: "FAIL",
      reason: `${describe(first, axis)}: look at ${ruleOf(axis, first)}${first.step === 0 ? "" : `, unless the learning rate is too high for these models (${option("learningRate")})`}`,
    };
  const [unclear] = of("INCONCLUSIVE");
  if (unclear !== undefined)
    return {
      verdict: "INCONCLUSIVE",
      reason: `${unclear.tensor} at step ${unclear.step} is ${unclear.note ?? "unclear"}: try a lower ${option("learningRate")}`,
    };
  const last = Math.max(...coordinates.map(({ step }) => step));
  const still = coordinates.find(({ step, statistic, slope }) => step === last && statistic === "update" && slope === null);
  if (still !== undefined)
    return {
      verdict: "INCONCLUSIVE",
      reason: `${still.tensor} did not move in ${last} steps: try more ${option("steps")} or a higher ${option("learningRate")}`,
    };
  if (!control.some((each) => each.verdict === "FAIL"))
    return {
      verdict: "INCONCLUSIVE",
      reason: `the control is flat too, so this check would not have seen a broken rule: try a higher ${option("learningRate")} or more sizes`,
    };
  const doubtful = of("WARN");
  const worst = steepest(doubtful);
  if (worst !== undefined)
    return {
      verdict: "WARN",
      reason: `${doubtful.length} of ${coordinates.length} coordinates are not surely flat; the steepest is ${describe(worst, axis)}: larger ${option("sizes")} or more ${option("seeds")} will tell`,
    };
  return {
    verdict: "PASS",
    reason: `all ${coordinates.length} coordinates are flat: |slope| + 2 standard errors ≤ ${flatSlope}, twice that for attention logits and outside plain Adam`,
  };
}
