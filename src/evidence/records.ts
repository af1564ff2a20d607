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
  version: z.literal(1),
  name: z.string(),
  axis,
  /** Widths, or depths, in ascending order. */
  sizes: z.array(z.int()),
  /** Parameters of the model of each size. */
  parameters: z.array(z.int()),
  seeds: z.int(),
  steps: z.int(),
  learning_rate: z.number(),
  parametrization: z.string(),
  verdict,
  /** One line a person can act on. */
  reason: z.string(),
  coordinates: z.array(coordinate),
  /** The same statistics without the rules that are checked, which must not be flat: under SP, or without rules for depth. */
  control: z.array(coordinate),
});
/** The content of coord-check.json. */
export type CoordCheck = z.infer<typeof coordCheckSchema>;

const optimum = z.strictObject({
  log2_learning_rate: z.number(),
  /** 90 % bootstrap interval over seeds; null with a single one. */
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
  size: z.int(),
  /** One per learning rate, in ascending order; `losses` has one per seed. */
  points: z.array(z.strictObject({ learning_rate: z.number(), losses: z.array(z.number().nullable()) })),
  optimum: optimum.nullable(),
});

const family = z.strictObject({
  parametrization: z.string(),
  curves: z.array(curve),
  /** Movement of the optimum, in log2 learning rate per doubling of the size, null when one is at an edge of the grid or none; its error over seeds, null with a single one. */
  drift: z.strictObject({ per_doubling: z.number(), standard_error: z.number().nullable() }).nullable(),
  /** Rates at which a larger model is worse than the next smaller by more than two standard errors. */
  violations: z.array(z.strictObject({ learning_rate: z.number(), smaller: z.int(), larger: z.int(), nats: z.number() })),
  /** Loss at the largest size with the smallest size's best rate, against its own best rate. */
  gap: z.strictObject({ nats: z.number(), seed_deviations: z.number().nullable() }).nullable(),
});
/** The curves of one parametrization. */
export type Family = z.infer<typeof family>;

/** curves.json. */
export const curvesSchema = z.strictObject({
  version: z.literal(2),
  name: z.string(),
  spec_hash: z.string(),
  axis,
  seeds: z.array(z.int()),
  families: z.array(family),
});
/** The content of curves.json. */
export type Curves = z.infer<typeof curvesSchema>;

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
    /** A prediction of the target's loss, with the range of all fits within the seeds' noise; null when the target is deeper, or the winner diverged. */
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
