/**
 * The check before a launch: coordinates, one width between proxy and target at half,
 * once and twice the winner's learning rate, and a prediction of the target's loss.
 * Written down as prelaunch.json before the target's first step.
 */
import { cores } from "../engines/cores.ts";
import { checkWidths, objections, predictLoss, type Noise, type WidthLoss } from "../evidence/prediction.ts";
import { sealed, type CoordCheck, type Prelaunch } from "../evidence/records.ts";
import { movesBecause } from "../evidence/target.ts";
import type { Size } from "../model/config.ts";
import { flopsPerStep } from "../model/counts.ts";
import { removeCheckpoints, stemOf } from "../run/checkpoints.ts";
import { whileInPlace } from "../run/in-place.ts";
import { readRecord, writeRecord } from "../run/outputs.ts";
import type { Results } from "../run/results.ts";
import { modelConfig, sizesOf, type Plan } from "../spec/plan.ts";
import { timesRates } from "../spec/rates.ts";
import { trainingOf } from "../spec/training.ts";
import { isWidth } from "../spec/width.ts";
import { pooledDeviation } from "../statistics.ts";
import type { Outcome } from "../training/outcome.ts";
import type { Training } from "../training/train.ts";
import { judged } from "../training/yardstick.ts";
import { WorkerFailed } from "../workers/pool.ts";
import { checkPlanCoordinates } from "./coord-check.ts";
import { withEngines } from "./setting.ts";
import { Stopped } from "./stopping.ts";
import { trainOne, type Bench } from "./train-one.ts";

/** Targets no wider than so many proxies are launched without a check: it would cost as much as they do. */
export const uncheckedRatio = 4;

/** What the winner's learning rate, or both of its rates under Muon, is multiplied by at the width between. */
const rateFactors = [0.5, 1, 2];

/** What is to be launched, and where and with what it would be trained. */
export interface Launching {
  readonly plan: Plan;
  readonly results: Results;
  readonly best: NonNullable<Results["best"]>;
  /** The target's. */
  readonly width: number;
  readonly bench: Bench;
}

/** What was found before, or is found now; the caller decides what to make of the objections. */
export async function prelaunch({ plan, results, best, width, bench }: Launching): Promise<Prelaunch> {
  const { folder, setting } = bench;
  const known = readRecord(folder, "prelaunch");
  if (known !== undefined && "record" in known && known.record.results_digest === results.digest && known.record.width === width)
    return known.record;
  const { width: widths, model } = plan.spec;
  const { below, between } = checkWidths(widths.proxy, width, (at) => isWidth(model, at));
  const { proxy, target } = sizesOf(plan.spec);
  const flopsOf = (size: Size): number => flopsPerStep(modelConfig(plan, size), plan.spec.train.batch);
  const proxyAt = (at: number): Size => ({ ...proxy, width: at });
  const flops = rateFactors.length * flopsOf(proxyAt(between)) + (below === undefined ? 0 : flopsOf(proxyAt(below)));
  const lanesOf = (factors: readonly number[]): Parameters<typeof trainingOf>[1] =>
    factors.map((factor) => ({
      seed: best.seed,
      hyperparameters: timesRates(plan.spec, best.hyperparameters, factor),
    }));
  const largest = trainingOf(plan, lanesOf(rateFactors), proxyAt(between), cores());
  const perStep = await stepSeconds(largest, bench);
  const seconds = perStep && (perStep * plan.spec.train.steps * flops) / (rateFactors.length * flopsOf(proxyAt(between)));
  setting.emit({ event: "prelaunch_started", share: flops / flopsOf({ ...target, width }), seconds });
  const coordinates = await coordinatesOf(plan, bench);
  const stemAt = (at: number): string => stemOf("check", at);
  const outcomesAt = async (at: number, factors: readonly number[]): Promise<readonly Outcome[]> => {
    const training = trainingOf(plan, lanesOf(factors), proxyAt(at), cores());
    const outcomes = await trainOne(`check at width ${at}`, training, stemAt(at), bench);
    return outcomes.map((outcome) => judged(outcome, plan.dataset.vocabSize));
  };
  const around = await outcomesAt(between, rateFactors);
  const [half, winner, twice] = around.map(({ validationLoss }) => validationLoss);
  const [narrow] = below === undefined ? [] : await outcomesAt(below, [1]);
  const noise = noiseOf(results);
  const measured = [
    ...(below === undefined || narrow === undefined ? [] : [{ width: below, validation_loss: narrow.validationLoss }]),
    { width: widths.proxy, validation_loss: best.validation_loss },
    { width: between, validation_loss: winner },
  ];
  const points = measured.flatMap(({ width: at, validation_loss: validationLoss }): WidthLoss[] =>
    validationLoss === null ? [] : [{ width: at, validationLoss }],
  );
  const { parametrization } = plan.spec;
  const moves = movesBecause[parametrization];
  // The points are as deep as the proxies: they say nothing of what more blocks gain. And where an optimum moves with the
  // width, losses at one rate follow no power of it.
  const isLawful = target.layers === proxy.layers && moves === undefined;
  const untrained = [
    ...(narrow?.status === "untrained" ? [below] : []),
    ...(around[rateFactors.indexOf(1)].status === "untrained" ? [between] : []),
  ].map((at) => `at width ${at} the winner's hyperparameters learn nothing`);
  const isTelling = winner !== null && untrained.length === 0 && points.length > 1 && isLawful;
  const predicted = isTelling ? predictLoss(points, width, noise) : null;
  const against = [
    ...(coordinates.verdict === "FAIL" ? [`the coordinate check fails: ${coordinates.reason}`] : []),
    ...untrained,
    ...objections({ width: between, proxy: best.validation_loss, half, winner, twice }, noise),
  ];
  const content: Omit<Prelaunch, "digest"> = {
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
        : { validation_loss: predicted.validationLoss, low: predicted.low, high: predicted.high, exponent: predicted.exponent },
    objections:
      against.length === 0 || moves === undefined ? against : [...against, `under parametrization ${parametrization} ${moves}: use mup`],
  };
  const record = sealed(content);
  writeRecord(folder, "prelaunch", record);
  for (const at of [between, below ?? between]) removeCheckpoints(folder, stemAt(at));
  return record;
}

/** How long a step of a training is timed, in seconds. */
const timedSeconds = 0.1;

/** Seconds that a step of a training takes; null when it could not be timed, which training it will tell the reason of. */
async function stepSeconds(training: Training, { lock, pool, setting }: Bench): Promise<number | null> {
  try {
    return await setting.stopping.until(() =>
      whileInPlace(lock, async () => {
        await pool.run({ kind: "prepare", training });
        return (await pool.run({ kind: "measure", training, seconds: timedSeconds })).secondsPerStep;
      }),
    );
  } catch (error) {
    if (!(error instanceof WorkerFailed)) throw error;
    return null;
  }
}

/** What fresh seeds say of one seed's loss. */
export function noiseOf({ confirmation }: Results): Noise {
  const groups = confirmation
    .map(({ losses }) => losses.flatMap(({ validation_loss: loss }) => loss ?? []))
    .filter((sound, index) => sound.length === confirmation[index].losses.length);
  const deviationNats = pooledDeviation(groups);
  return deviationNats === null ? undefined : { deviationNats, freedom: groups.reduce((sum, { length }) => sum + length - 1, 0) };
}

/** Checks the coordinates, one size after the other; a stop comes after the size in hand. The workers end with it, also where it is not waited for. */
function coordinatesOf(plan: Plan, { lock, setting }: Bench): Promise<Pick<CoordCheck, "verdict" | "reason">> {
  const { emit, stopping } = setting;
  return withEngines({}, setting, (engines) =>
    stopping.until(
      async (stop) => {
        const heed = (): void => {
          if (stop.asked) throw new Stopped();
        };
        const found = await whileInPlace(lock, () => checkPlanCoordinates(plan, engines, setting, heed));
        heed();
        return found;
      },
      () => emit({ event: "stopping", after: "size" }),
    ),
  );
}
