/**
 * The format of results.json: its schema, how it is made from a plan and its
 * finished trials, and how a file is checked before anything is launched from it.
 * Holds no clock times: the same sweep gives the same bytes.
 */
import { z } from "zod";
import { UserError, exitCodes, type Diagnostic } from "../errors.ts";
import { flopsPerStep } from "../model/config.ts";
import { transferable } from "../parametrization/roles.ts";
import { hashOf, type CompleteSpec } from "../spec/complete.ts";
import { modelConfig, type Hyperparameters, type Plan } from "../spec/plan.ts";
import { selectBest } from "./select.ts";
import { trialResultSchema, type TrialResult } from "./trial-result.ts";

export const resultsVersion = 1;

const hyperparameters = z.record(z.string(), z.number());

export const environmentSchema = z.strictObject({
  mutransfer: z.string(),
  node: z.string(),
  engine: z.string(),
  device: z.string(),
  data_hash: z.string(),
  /** Folder that relative data paths start from, relative to the run folder. */
  data_directory: z.string(),
});
export type Environment = z.infer<typeof environmentSchema>;

const resultsSchema = z.strictObject({
  version: z.literal(resultsVersion),
  name: z.string(),
  spec: z.custom<CompleteSpec>((value) => typeof value === "object" && value !== null),
  spec_hash: z.string(),
  best: z.strictObject({ trial: z.int(), hyperparameters, validation_loss: z.number() }).nullable(),
  trials: z.array(trialResultSchema),
  cost: z.strictObject({ proxy_flops: z.number(), target_flops: z.number(), ratio: z.number() }),
  environment: environmentSchema,
  /** sha256 of everything else. */
  digest: z.string(),
});
export type Results = z.infer<typeof resultsSchema>;

/** Hyperparameters without those marked as not transferring: what the target gets. */
export function transferredOf(tried: Hyperparameters | Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(tried).filter((entry): entry is [string, number] => entry[0] in transferable));
}

/** Training FLOPs of all proxies as far as they got, of the target, and their ratio. */
function costOf(plan: Plan, trials: readonly TrialResult[]): Results["cost"] {
  const { width, train } = plan.spec;
  const steps = trials.reduce((sum, trial) => sum + trial.steps, 0);
  const proxyFlops = steps * flopsPerStep(modelConfig(plan, width.proxy), train.batch);
  const targetFlops = train.steps * flopsPerStep(modelConfig(plan, width.target), train.batch);
  return { proxy_flops: proxyFlops, target_flops: targetFlops, ratio: proxyFlops / targetFlops };
}

export function makeResults(plan: Plan, trials: readonly TrialResult[], environment: Environment): Results {
  const best = selectBest(trials);
  const content = {
    version: resultsVersion,
    name: plan.spec.name,
    spec: plan.spec,
    spec_hash: plan.specHash,
    best:
      best === undefined
        ? null
        : { trial: best.id, hyperparameters: transferredOf(best.hyperparameters), validation_loss: best.validation_loss as number },
    trials: [...trials].sort((a, b) => a.id - b.id),
    cost: costOf(plan, trials),
    environment,
  } as const;
  return { ...content, digest: hashOf(content) };
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
  const { digest, ...content } = parsed.data;
  if (hashOf(content) !== digest || hashOf(content.spec) !== content.spec_hash) {
    throw refuse(
      "results_edited",
      "its content does not match its digest: it was changed after the sweep wrote it",
      "run the sweep again; to train with other hyperparameters, write them as `value:` into a spec",
      exitCodes.disagreement,
    );
  }
  return parsed.data;
}
