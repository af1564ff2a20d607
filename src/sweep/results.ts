/**
 * The format of results.json: how it is made from a plan and its finished trials, one
 * trial at a time, and how a file is checked before anything is launched from it.
 * Holds no clock times: the same sweep gives the same bytes.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { UserError, exitCodes, type Diagnostic } from "../errors.ts";
import { canonicalJson, hashOf } from "../hash.ts";
import { flopsPerStep } from "../model/config.ts";
import { transferable } from "../parametrization/roles.ts";
import type { CompleteSpec } from "../spec/complete.ts";
import { modelConfig, type Hyperparameters, type Plan } from "../spec/plan.ts";
import { environmentSchema, type Environment } from "./environment.ts";
import { selectBest } from "./select.ts";
import type { TrialSummary } from "./state.ts";
import { trialResultSchema, type TrialResult } from "./trial-result.ts";

export const resultsVersion = 2;

const hyperparameters = z.record(z.string(), z.number());

const resultsSchema = z.strictObject({
  version: z.literal(resultsVersion),
  name: z.string(),
  spec: z.custom<CompleteSpec>((value) => typeof value === "object" && value !== null),
  spec_hash: z.string(),
  best: z.strictObject({ trial: z.int(), seed: z.int(), hyperparameters, validation_loss: z.number() }).nullable(),
  cost: z.strictObject({ proxy_flops: z.number(), target_flops: z.number(), ratio: z.number() }),
  environment: environmentSchema,
  trials: z.array(trialResultSchema),
  /** sha256 of everything else. */
  digest: z.string(),
});
export type Results = z.infer<typeof resultsSchema>;
/** Results without the trials themselves, of which there may be very many. */
export type ResultsHead = Omit<Results, "trials" | "digest">;

/** Hyperparameters without those marked as not transferring: what the target gets. */
export function transferredOf(tried: Hyperparameters | Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(tried).filter((entry): entry is [string, number] => entry[0] in transferable));
}

/** Training FLOPs of all proxies as far as they got, of the target, and their ratio. */
function costOf(plan: Plan, trials: readonly TrialSummary[]): Results["cost"] {
  const { width, train } = plan.spec;
  const steps = trials.reduce((sum, trial) => sum + trial.steps, 0);
  const proxyFlops = steps * flopsPerStep(modelConfig(plan, width.proxy), train.batch);
  const targetFlops = train.steps * flopsPerStep(modelConfig(plan, width.target), train.batch);
  return { proxy_flops: proxyFlops, target_flops: targetFlops, ratio: proxyFlops / targetFlops };
}

/** What a finished sweep comes to; `resultOf` gives a trial's whole result. */
export function makeHead(
  plan: Plan,
  trials: readonly TrialSummary[],
  resultOf: (trial: TrialSummary) => TrialResult,
  environment: Environment,
): ResultsHead {
  const best = selectBest(trials);
  return {
    version: resultsVersion,
    name: plan.spec.name,
    spec: plan.spec,
    spec_hash: plan.specHash,
    best:
      best === undefined
        ? null
        : {
            trial: best.id,
            seed: best.seed,
            hyperparameters: transferredOf(resultOf(best).hyperparameters),
            validation_loss: best.validationLoss as number,
          },
    cost: costOf(plan, trials),
    environment,
  };
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

const headSchema = z.object({ spec_hash: z.string(), cost: resultsSchema.shape.cost });

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
  const refuse = (code: string, message: string, hint: string, exitCode: 2 | 3 = exitCodes.usage): UserError =>
    new UserError({ code, message: `${file}: ${message}`, hint } satisfies Diagnostic, exitCode);
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (error) {
    throw refuse("results_not_json", `no JSON: ${(error as Error).message}`, "give the results.json that `mutransfer sweep` wrote");
  }
  const version = (data as { version?: unknown } | null)?.version;
  if (version !== resultsVersion) {
    throw refuse(
      "results_version",
      version === undefined
        ? "it has no version"
        : `it has version ${JSON.stringify(version)}, this program reads version ${resultsVersion}`,
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
      exitCodes.disagreement,
    );
  }
  return parsed.data;
}
