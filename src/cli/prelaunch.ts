/**
 * The check before a launch: coordinates, one width between proxy and target at half,
 * once and twice the winner's learning rate, and a prediction of the target's loss.
 * Written down as prelaunch.json before the target's first step.
 */
import { existsSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { checkWidths, objections, predictLoss, type WidthLoss } from "../evidence/prediction.ts";
import { prelaunchSchema, type Prelaunch } from "../evidence/records.ts";
import { jsonText } from "../report/json.ts";
import type { Plan } from "../spec/plan.ts";
import type { Results } from "../sweep/results.ts";
import { writeAtomically } from "../sweep/run-dir.ts";
import { jobStem, removeCheckpoints } from "../sweep/checkpoints.ts";
import { stackJob } from "../sweep/trials.ts";
import { checkPlanCoordinates } from "./coord-check.ts";
import { untilSignal } from "./interrupt.ts";
import { trainJob, type JobContext } from "./train-job.ts";

/** Targets no wider than so many proxies are launched without a check: it would cost as much as they do. */
export const uncheckedRatio = 4;

type Best = NonNullable<Results["best"]>;

/** What was found before, or is found now; the caller decides what to make of the objections. */
export async function prelaunch(
  plan: Plan,
  results: Results,
  best: Best,
  width: number,
  folder: string,
  context: JobContext,
): Promise<Prelaunch> {
  const path = join(folder, "prelaunch.json");
  const known = readPrelaunch(path);
  if (known?.results_digest === results.digest && known.width === width) return known;
  const say = (text: string): void => (context.quiet ? undefined : context.terminal.err(`${context.terminal.errStyle.dim(text)}\n`));
  const coordinates = await untilSignal(() => checkPlanCoordinates(plan, (size) => say(`pre-launch check: coordinates at ${size}`)));
  const { width: widths, model } = plan.spec;
  const { below, between } = checkWidths(widths.proxy, width, model.head_dim);
  const losses = async (at: number, factors: readonly number[]): Promise<readonly (number | null)[]> => {
    const lanes = factors.map((factor) => ({
      seed: best.seed,
      hyperparameters: { ...best.hyperparameters, learning_rate: factor * best.hyperparameters["learning_rate"] },
    }));
    const stem = jobStem(folder, "check", at);
    const outcomes = await trainJob(`check at width ${at}`, stackJob(plan, lanes, at, availableParallelism()), stem, context);
    removeCheckpoints(stem);
    return outcomes.map(({ validationLoss }) => validationLoss);
  };
  const [half, winner, twice] = await losses(between, [0.5, 1, 2]);
  const [narrow] = below === undefined ? [null] : await losses(below, [1]);
  const deviation = best.standard_error === null ? null : best.standard_error * Math.sqrt(results.spec.search.confirm?.seeds ?? 1);
  const measured = [
    ...(below === undefined ? [] : [{ width: below, validation_loss: narrow }]),
    { width: widths.proxy, validation_loss: best.validation_loss },
    { width: between, validation_loss: winner },
  ];
  const points = measured.flatMap(({ width: at, validation_loss: nats }): WidthLoss[] =>
    nats === null ? [] : [{ width: at, lossNats: nats }],
  );
  const predicted = winner === null || points.length < 2 ? null : predictLoss(points, width, deviation);
  const found = {
    width: between,
    proxyNats: best.validation_loss,
    halfNats: half,
    winnerNats: winner,
    twiceNats: twice,
  };
  const record: Prelaunch = {
    version: 1,
    spec_hash: plan.specHash,
    results_digest: results.digest,
    width,
    coordinates: { verdict: coordinates.verdict, reason: coordinates.reason },
    widths: measured,
    between: { width: between, half, winner, twice },
    prediction:
      predicted === null
        ? null
        : { validation_loss: predicted.lossNats, low: predicted.lowNats, high: predicted.highNats, exponent: predicted.exponent },
    objections: [
      ...(coordinates.verdict === "FAIL" ? [`the coordinate check fails: ${coordinates.reason}`] : []),
      ...objections(found, deviation),
    ],
  };
  writeAtomically(path, [jsonText(record)], "results");
  return record;
}

function readPrelaunch(path: string): Prelaunch | undefined {
  if (!existsSync(path)) return undefined;
  try {
    return prelaunchSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return undefined; // damaged: found out again
  }
}
