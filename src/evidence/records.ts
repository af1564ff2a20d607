/**
 * What coordinate checks, learning-rate curves and checks before a launch leave in a run
 * folder, for the report and for scripts: coord-check.json, curves.json and prelaunch.json.
 * A loss that is not finite is null.
 */
import { z } from "zod";
import { hashOf } from "../hash.ts";
import type { Regime } from "../training/coordinates.ts";

const regimes = ["adam", "epsilon", "decay"] as const satisfies readonly Regime[];

const verdict = z.enum(["PASS", "WARN", "FAIL", "INCONCLUSIVE"]);
/** What a coordinate check comes to. */
export type Verdict = z.infer<typeof verdict>;

/** What differs between the models that are compared. */
const axis = z.enum(["width", "depth"]);
/** What differs between the models that are compared: width, or depth. */
export type Axis = z.infer<typeof axis>;

/** One statistic of one activation over the widths, at one step. */
const coordinate = z.strictObject({
  regime: z.enum(regimes),
  /** In a control: the quantity whose rules it breaks; version 1 had one control without any rules. */
  without: z.string().optional(),
  tensor: z.string(),
  /** `size`: mean |x_t|; `update`: rms(x_t − x_0). */
  statistic: z.enum(["size", "update"]),
  step: z.int(),
  /** Means over seeds, one per size; null where one is not finite. */
  means: z.array(z.number().nullable()),
  standard_errors: z.array(z.number().nullable()),
  /** Slope of log2 of the statistic over log2 width (or depth), with its standard error. */
  slope: z.number().nullable(),
  slope_standard_error: z.number().nullable(),
  verdict,
  /** Why it is exempt, or the rule of the table that a bad slope points at. */
  note: z.string().optional(),
});
/** One tensor under one of the check's conditions: how its size follows that of the model. */
export type Coordinate = z.infer<typeof coordinate>;

/** coord-check.json. */
export const coordCheckSchema = z.strictObject({
  version: z.union([z.literal(1), z.literal(2)]),
  name: z.string(),
  axis,
  /** Widths, or depths, in ascending order. */
  sizes: z.array(z.int()),
  /** Parameters of the model of each size. */
  parameters: z.array(z.int()),
  /** Seeds of each size, those included that doubtful coordinates were given. */
  seeds: z.int(),
  steps: z.int(),
  learning_rate: z.number(),
  /** Where Muon trains hidden matrices. */
  muon_learning_rate: z.number().optional(),
  parametrization: z.string(),
  verdict,
  /** One line a person can act on. */
  reason: z.string(),
  coordinates: z.array(coordinate),
  /** Hyperparameters that were taken nearer, since flatness cannot be judged at the values that the spec states. */
  substitutes: z.array(z.strictObject({ hyperparameter: z.string(), stated: z.number(), judged_at: z.number() })).optional(),
  /** The same statistics where the rules of one quantity after the other are broken, which must not be flat. */
  control: z.array(coordinate),
});
/** The content of coord-check.json. */
export type CoordCheck = z.infer<typeof coordCheckSchema>;

const optimum = z.strictObject({
  log2_learning_rate: z.number(),
  /** 90 % interval; null with a single seed, and where the curve does not tell. */
  low: z.number().nullable(),
  high: z.number().nullable(),
  loss: z.number(),
  /** Which end of the grid the best rate lies at; null for an interior optimum. */
  edge: z.enum(["low", "high"]).nullable(),
});
/** Where a curve is lowest. */
export type Optimum = z.infer<typeof optimum>;

const curve = z.strictObject({
  /** Width or depth. */
  size: z.int().positive(),
  /** One per learning rate, in ascending order; `losses` has one per seed. */
  points: z.array(z.strictObject({ learning_rate: z.number().positive(), losses: z.array(z.number().nullable()) })),
  optimum: optimum.nullable(),
});

const bound = z.number().nullable();
const difference = z.strictObject({
  nats: z.number(),
  /** 90 % interval; null with a single seed. */
  low: bound,
  high: bound,
  /** What one seed's loss exceeds its mean by in 1 of 20 cases; null with a single seed. */
  seed_noise: bound,
});
/** Loss of the largest size minus that of the smallest, each at its best rate. */
export type Growth = z.infer<typeof difference>;

const gap = z.strictObject({
  ...difference.shape,
  /** Null where the largest diverges at that rate. */
  nats: bound,
});
/** Loss of the largest size at the smallest's best rate minus that at its own. */
export type Gap = z.infer<typeof gap>;

const drift = z.strictObject({
  /** Null when an optimum lies at an edge of the grid, and may be beyond it. */
  per_doubling: bound,
  /** 90 % interval, null where it is open. */
  low: bound,
  high: bound,
});
/** Movement of the optimum, in octaves (log2) of the learning rate per doubling of the size. */
export type Drift = z.infer<typeof drift>;

const missing = z.enum(["seeds", "sizes", "lower_rates", "higher_rates", "finer_grid"]);
/** What would settle a verdict. */
export type Missing = z.infer<typeof missing>;

const transferVerdict = z.enum(["TRANSFERS", "DOES_NOT_TRANSFER", "INCONCLUSIVE"]);
/** What the curves of one parametrization come to. */
export type TransferVerdict = z.infer<typeof transferVerdict>;

const part = z.boolean().nullable();
const family = z.strictObject({
  parametrization: z.string(),
  /** Every part holds, one is clearly violated, or neither. */
  verdict: transferVerdict,
  /** The drift's interval lies within a quarter of an octave per doubling; here and below false is "clearly not", null "not sure". */
  optimum_stays: part,
  /** No size is clearly worse than a smaller one up to their best rates, and the largest is no worse than the smallest. */
  larger_is_better: part,
  /** The gap is within what a seed makes. */
  smallest_rate_suffices: part,
  /** What would tell; empty unless the verdict is INCONCLUSIVE. */
  missing: z.array(missing),
  curves: z.array(curve).min(1),
  /** Null with a single size, or where one has no optimum. */
  drift: drift.nullable(),
  /** Null where the best rate of either lies at an edge, or is none. */
  growth: difference.nullable(),
  /** How many places are compared: neighbouring sizes at each rate up to both optima, and any two at those. */
  places: z.int(),
  /** Those at which the larger is worse by more than `bound`, which chance makes at any of them in 1 of 20 families; the rate is null where each has its own best. */
  violations: z.array(z.strictObject({ learning_rate: bound, smaller: z.int(), larger: z.int(), nats: z.number(), bound: z.number() })),
  /** Null where the smallest size has no best rate within the grid, or the largest's loss there is not known. */
  gap: gap.nullable(),
});
/** The curves of one parametrization. */
export type Family = z.infer<typeof family>;

/** The hyperparameter is that whose values are called learning rates here; `learning_rate` where it is absent. */
const head = { name: z.string(), spec_hash: z.string(), axis, hyperparameter: z.string().optional(), seeds: z.array(z.int()) };
/** Version 2 said other things of the same losses. */
const olderFamily = z.object({ parametrization: z.string(), curves: z.array(curve).min(1) });
/** Whether every size is there once, and has a loss, or null, for every rate and seed. */
const isWhole = ({
  seeds,
  families,
}: {
  readonly seeds: readonly number[];
  readonly families: readonly Pick<Family, "curves">[];
}): boolean =>
  seeds.length > 0 &&
  families.every(
    ({ curves }) =>
      new Set(curves.map(({ size }) => size)).size === curves.length &&
      curves.every(
        ({ points }) =>
          points.length === curves[0].points.length && points.length > 1 && points.every(({ losses }) => losses.length === seeds.length),
      ),
  );

/** curves.json, as this version writes it, or version 2. */
export const curvesSchema = z
  .discriminatedUnion("version", [
    z.strictObject({
      version: z.literal(3),
      ...head,
      /** That of the spec's own parametrization; null where only others are compared. */
      verdict: transferVerdict.nullable(),
      families: z.array(family),
    }),
    z.strictObject({ version: z.literal(2), ...head, families: z.array(olderFamily) }),
  ])
  .refine(isWhole, "not every size has a loss for each rate and seed");
/** curves.json, of this version or an older one. */
export type AnyCurves = z.infer<typeof curvesSchema>;
/** The content of curves.json. */
export type Curves = Extract<AnyCurves, { readonly version: 3 }>;

const loss = z.number().nullable();
/** prelaunch.json. */
export const prelaunchSchema = z
  .strictObject({
    version: z.literal(1),
    spec_hash: z.string(),
    results_digest: z.string(),
    /** The target's width. */
    width: z.int(),
    coordinates: z.strictObject({ verdict, reason: z.string() }),
    /** The winner's hyperparameters at other widths; losses in nats. */
    widths: z.array(z.strictObject({ width: z.int(), validation_loss: loss })),
    /** At half, once and twice the winner's learning rate. */
    between: z.strictObject({ width: z.int(), half: loss, winner: loss, twice: loss }),
    /** A prediction of the target's loss, with the range of all fits within the seeds' noise; null when the target is deeper, the winner diverged, or optima move with the width under the parametrization. */
    prediction: z
      .strictObject({ validation_loss: z.number(), low: z.number(), high: z.number(), exponent: z.number().nullable() })
      .nullable(),
    objections: z.array(z.string()),
    /** Hash of everything above, so that a prediction cannot be changed afterwards unnoticed. */
    digest: z.string(),
  })
  .refine(({ digest, ...content }) => digest === hashOf(content), "it was changed after it was written");
/** The content of prelaunch.json. */
export type Prelaunch = z.infer<typeof prelaunchSchema>;

/** The record with its digest. */
export const sealed = (content: Omit<Prelaunch, "digest">): Prelaunch => ({ ...content, digest: hashOf(content) });
