/**
 * The format of results.json: how it is written, one trial at a time, and how a file is
 * checked before anything is launched from it. What a head says is sweep/head.ts's business.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { UserError, type Diagnostic, type ErrorKind } from "../errors.ts";
import { canonicalJson, hashOf } from "../hash.ts";
import { doesTransfer, type Hyperparameters } from "../parametrization/roles.ts";
import { isCompleteSpec, type CompleteSpec } from "../spec/complete.ts";
import { isLoss } from "../training/outcome.ts";
import { environmentSchema } from "./environment.ts";
import { impossibility, limitsOf } from "./possible.ts";
import { hyperparametersSchema, isSound, trialResultSchema, type TrialResult } from "./trial-result.ts";
import { memberKey } from "./trial.ts";

/** The version of the format of results.json that this program writes; the one before lacks what is optional here. */
export const resultsVersion = 4;
const readVersions = [3, resultsVersion] as const;

const nats = z.number().refine(isLoss, "no loss is like this");
const amount = z.number().nonnegative();

const resultsSchema = z.strictObject({
  version: z.literal(readVersions),
  name: z.string(),
  spec: z.custom<CompleteSpec>(isCompleteSpec, "it is no spec that this version knows"),
  spec_hash: z.string(),
  best: z
    .strictObject({
      trial: z.int(),
      seed: z.int(),
      hyperparameters: hyperparametersSchema,
      /** Mean over fresh seeds where there are any. */
      validation_loss: nats,
      standard_error: amount.nullable(),
      edges: z.array(
        z.strictObject({
          hyperparameter: z.string(),
          side: z.enum(["lower", "upper"]),
          bound: z.number(),
          extend_to: z.number(),
          /** The hyperparameter's share of the ranks' variance, as in `analysis.importance`; null where that is not known. Absent in older files, as is `matters`. */
          share: z.number().nullable().optional(),
          /** Whether losses still fall towards the edge by more than seeds explain, so that the optimum may lie beyond. */
          matters: z.boolean().optional(),
        }),
      ),
    })
    .nullable(),
  /** The best trials on fresh seeds, from best to worst. */
  confirmation: z.array(
    z.strictObject({
      trial: z.int(),
      /** Null when the first run was stopped early. */
      first_loss: nats.nullable(),
      mean_loss: nats.nullable(),
      losses: z.array(z.strictObject({ seed: z.int(), validation_loss: nats.nullable() })),
    }),
  ),
  /** What racing has come to; null where nothing was confirmed, absent under rules that do not race. */
  race: z
    .strictObject({
      /** Trials that got more fresh seeds than others, by id. */
      trials: z.array(z.int()),
      /** Fresh seeds that those share which were in it to the end. */
      seeds: z.int(),
      /** Trials that these do not tell apart, best mean first; the first alone when they do. */
      tied: z.array(z.int()),
    })
    .nullable()
    .optional(),
  analysis: z.strictObject({
    /** Median over the first runs; null when most of them did not complete. */
    median_loss: nats.nullable(),
    /** What a loss is worth, in nats: chance among all tokens, and knowing how frequent each is; null when that could no longer be counted. */
    yardsticks: z
      .strictObject({
        uniform: amount,
        frequencies: amount.nullable(),
        /** Losses within so much of one of these are none the better. */
        margin: amount,
      })
      .optional(),
    /** What the best first run lost on fresh seeds. */
    winners_curse: z.number().nullable(),
    /** The hyperparameter whose values are called learning rates below; `learning_rate` where it is absent. */
    rate: z.literal("muon_learning_rate").optional(),
    /** The best learning rate with its 90 % interval; null when the trials do not determine it. */
    optimum: z
      .strictObject({
        learning_rate: z.number(),
        low: z.number(),
        high: z.number(),
        /** The side of the interval on which the curve had not turned by the last rate that was trained to the end: the optimum may lie beyond. */
        open: z.enum(["lower", "upper"]).nullable().optional(),
      })
      .nullable(),
    lowest_diverged_learning_rate: z.number().nullable(),
    importance: z.array(z.strictObject({ hyperparameter: z.string(), share: z.number(), low: z.number(), high: z.number() })),
    /** Where the winner stood at each rung of early stopping. */
    rungs: z.array(z.strictObject({ steps: z.int(), trials: z.int(), kept: z.int(), place: z.int().nullable() })),
    /** Steps of the first runs: made, and spared by early stopping. */
    steps: z.strictObject({ made: z.int(), spared: z.int() }),
  }),
  cost: z.strictObject({ proxy_flops: amount, target_flops: amount, ratio: amount }),
  environment: environmentSchema,
  trials: z.array(trialResultSchema),
  /** sha256 of everything else. */
  digest: z.string(),
});
/** The content of results.json. */
export type Results = z.infer<typeof resultsSchema>;
/** Results without the trials themselves, of which there may be very many. */
export type ResultsHead = Omit<Results, "trials" | "digest">;

/** A winner's hyperparameter at the edge of what was tried. */
export type WinnersEdge = NonNullable<Results["best"]>["edges"][number];

/** Whether an edge stands against the winner; older files say it of none, and the learning rate's always does. */
export const edgeMatters = ({ hyperparameter, matters }: WinnersEdge): boolean => matters ?? hyperparameter === "learning_rate";

/** Hyperparameters without those marked as not transferring: what the target gets. */
export function transferredOf(tried: Hyperparameters): Hyperparameters {
  return Object.fromEntries(Object.entries(tried).filter(([name]) => doesTransfer(name)));
}

/** Digest of a head and the canonical JSON of each trial. */
function digestOf(head: ResultsHead, trials: Iterable<TrialResult>): string {
  const hash = createHash("sha256").update(canonicalJson(head));
  for (const trial of trials) hash.update("\n").update(canonicalJson(trial));
  return hash.digest("hex");
}

/** The file's text in pieces, one trial a line. */
export function* resultsText(head: ResultsHead, trials: () => Iterable<TrialResult>): Generator<string> {
  yield `${JSON.stringify(head, null, 2).slice(0, -2)},\n  "trials": [`;
  let separator = "\n    ";
  for (const trial of trials()) {
    yield separator + JSON.stringify(trial);
    separator = ",\n    ";
  }
  yield `\n  ],\n  "digest": "${digestOf(head, trials())}"\n}\n`;
}

const headSchema = z.object({
  spec_hash: z.string(),
  cost: resultsSchema.shape.cost,
  analysis: resultsSchema.shape.analysis,
});

/** What the beginning of a results file says before its trials, or undefined when it is none; the digest is not checked. */
export function headOf(beginning: string): z.infer<typeof headSchema> | undefined {
  try {
    return headSchema.parse(JSON.parse(`${beginning.slice(0, beginning.indexOf(',\n  "trials": ['))}\n}`));
  } catch {
    return undefined;
  }
}

/** Checks the text of a results file; throws a UserError that says what is wrong with it. */
export function parseResults(text: string, file: string): Results {
  const refuse = (code: string, message: string, hint: string, kind: ErrorKind = "usage"): UserError =>
    new UserError({ code, message: `${file}: ${message}`, hint } satisfies Diagnostic, kind);
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (error) {
    throw refuse("results_not_json", `no JSON: ${(error as Error).message}`, "give the results.json that `mutransfer sweep` wrote");
  }
  const version = (data as { version?: unknown } | null)?.version;
  if (!readVersions.some((each) => each === version)) {
    throw refuse(
      "results_version",
      version === undefined
        ? "it has no version"
        : `it has version ${typeof version === "number" ? version : "?"}, this program reads version ${resultsVersion} and the one before`,
      version === undefined
        ? "give the results.json that `mutransfer sweep` wrote"
        : "run the sweep again, or use the mutransfer that made it",
    );
  }
  const parsed = resultsSchema.safeParse(data);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0];
    throw refuse("results_format", `${path.join(".") || "the file"}: ${message}`, "the file was changed or cut: run the sweep again");
  }
  const { digest, trials, ...head } = parsed.data;
  if (digestOf(head, trials) !== digest || hashOf(head.spec) !== head.spec_hash) {
    throw refuse(
      "results_edited",
      "its content does not match its digest: it was changed after the sweep wrote it",
      "run the sweep again; to train with other hyperparameters, write them as `value:` into a spec",
      "disagreement",
    );
  }
  const impossible = inconsistency(parsed.data);
  if (impossible !== undefined) throw refuse("results_format", `no sweep comes to this: ${impossible}`, "run the sweep again");
  return parsed.data;
}

/** What no sweep of this spec comes to, whoever made the digest; undefined when there is no such thing. */
function inconsistency({ spec, trials, best, confirmation }: Results): string | undefined {
  const limits = limitsOf(spec);
  const known = new Map<string, TrialResult>();
  for (const trial of trials) {
    const problem = impossibility(trial, limits);
    if (problem !== undefined) return problem;
    if (known.size === known.set(memberKey(trial), trial).size) return `trial ${trial.id} is there twice with seed ${trial.seed}`;
  }
  const lacking = confirmation
    .flatMap(({ trial: id, losses }) => losses.map(({ seed }) => ({ id, seed })))
    .find((member) => !known.has(memberKey(member)));
  if (lacking !== undefined) return `trial ${lacking.id} was confirmed on seed ${lacking.seed}, and is not among the trials`;
  if (best === null) return undefined;
  const winner = known.get(memberKey({ id: best.trial, seed: best.seed }));
  if (winner === undefined || !isSound(winner)) return `the winner, trial ${best.trial}, is not among the trials that ended well`;
  return canonicalJson(best.hyperparameters) === canonicalJson(transferredOf(winner.hyperparameters))
    ? undefined
    : `the winner's hyperparameters are not those of trial ${best.trial}`;
}
