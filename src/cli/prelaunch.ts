/**
 * The check before a launch: coordinates, one width between proxy and target at half,
 * once and twice the winner's learning rate, and a prediction of the target's loss.
 * Written down as prelaunch.json before the target's first step.
 */
import { existsSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { checkWidths, objections, predictLoss, type WidthLoss } from "../evidence/prediction.ts";
import { verdict } from "../evidence/records.ts";
import { jsonText } from "../report/json.ts";
import { lossOf } from "../report/numbers.ts";
import type { Plan } from "../spec/plan.ts";
import type { Results } from "../sweep/results.ts";
import { writeAtomically } from "../sweep/run-dir.ts";
import { stackJob } from "../sweep/trials.ts";
import type { WorkerPool } from "../sweep/worker-pool.ts";
import { checkPlanCoordinates } from "./coord-check.ts";

/** Targets no wider than so many proxies are launched without a check: it would cost as much as they do. */
export const uncheckedRatio = 4;

const loss = z.number().nullable();
const recordSchema = z.strictObject({
  version: z.literal(1),
  results_digest: z.string(),
  width: z.int(),
  coordinates: z.strictObject({ verdict, reason: z.string() }),
  /** The winner's hyperparameters at other widths; losses in nats. */
  widths: z.array(z.strictObject({ width: z.int(), validation_loss: loss })),
  between: z.strictObject({ width: z.int(), half: loss, winner: loss, twice: loss }),
  prediction: z.strictObject({ validation_loss: z.number(), low: z.number(), high: z.number(), exponent: z.number() }).nullable(),
  objections: z.array(z.string()),
});
export type Prelaunch = z.infer<typeof recordSchema>;

type Best = NonNullable<Results["best"]>;

/** What was found before, or is found now; the caller decides what to make of the objections. */
export async function prelaunch(
  pool: WorkerPool,
  plan: Plan,
  results: Results,
  best: Best,
  width: number,
  folder: string,
  say: (text: string) => void,
): Promise<Prelaunch> {
  const path = join(folder, "prelaunch.json");
  const known = readPrelaunch(path);
  if (known?.results_digest === results.digest && known.width === width) return known;
  say("pre-launch check: coordinates");
  const coordinates = await checkPlanCoordinates(plan, () => undefined);
  const { width: widths, model } = plan.spec;
  const { below, between } = checkWidths(widths.proxy, width, model.head_dim);
  const losses = async (at: number, factors: readonly number[]): Promise<readonly (number | null)[]> => {
    say(`pre-launch check: width ${at}`);
    const lanes = factors.map((factor) => ({
      seed: best.seed,
      hyperparameters: { ...best.hyperparameters, learning_rate: factor * best.hyperparameters["learning_rate"] },
    }));
    const { outcomes } = await pool.run({ kind: "train", job: stackJob(plan, lanes, at, availableParallelism()) }, () => undefined);
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
    return recordSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return undefined; // damaged: found out again
  }
}

export function renderPrelaunch({ coordinates, between, prediction, width }: Prelaunch): string {
  return [
    `pre-launch check: coordinates ${coordinates.verdict}`,
    `width ${between.width} at half, once and twice the winner's learning rate: ${lossOf(between.half)}, ${lossOf(between.winner)}, ${lossOf(between.twice)}`,
    ...(prediction === null
      ? []
      : [
          `predicted for width ${width}: ${lossOf(prediction.validation_loss)} nats (${lossOf(prediction.low)} to ${lossOf(prediction.high)})`,
        ]),
  ].join("\n");
}
