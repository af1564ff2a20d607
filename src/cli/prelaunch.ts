/**
 * The check before a launch: coordinates, one width between proxy and target at half,
 * once and twice the winner's learning rate, and a prediction of the target's loss.
 * Written down as prelaunch.json before the target's first step.
 */
import { cores } from "../engines/cores.ts";
import { checkWidths, objections, predictLoss, type Noise, type WidthLoss } from "../evidence/prediction.ts";
import { prelaunchSchema, sealed, type Prelaunch } from "../evidence/records.ts";
import { flopsPerStep } from "../model/config.ts";
import { jsonText } from "../report/json.ts";
import { percentOf } from "../report/numbers.ts";
import { depthsOf, modelConfig, type Plan } from "../spec/plan.ts";
import type { Results } from "../sweep/results.ts";
import type { OpenFolder } from "../sweep/open-folder.ts";
import { runFiles } from "../sweep/run-folder.ts";
import { jobStem, removeCheckpoints } from "../sweep/checkpoints.ts";
import { stackJob } from "../sweep/trials.ts";
import { pooledDeviation } from "../statistics.ts";
import { checkPlanCoordinates } from "./coord-check.ts";
import { whileInPlace } from "./in-place.ts";
import { Interrupted, untilSignal } from "./interrupt.ts";
import { trainJob, type JobContext } from "./train-job.ts";
import { isWidth } from "./width.ts";

/** Targets no wider than so many proxies are launched without a check: it would cost as much as they do. */
export const uncheckedRatio = 4;

/** What the winner's learning rate is multiplied by at the width between. */
const rateFactors = [0.5, 1, 2];

type Best = NonNullable<Results["best"]>;

/** What was found before, or is found now; the caller decides what to make of the objections. */
export async function prelaunch(plan: Plan, results: Results, best: Best, width: number, context: JobContext): Promise<Prelaunch> {
  const { folder } = context;
  const known = readPrelaunch(folder);
  if (known?.results_digest === results.digest && known.width === width) return known;
  const say = (text: string): void => (context.quiet ? undefined : context.terminal.err(`${context.terminal.errStyle.dim(text)}\n`));
  const { width: widths, model } = plan.spec;
  const { below, between } = checkWidths(widths.proxy, width, (at) => isWidth(model, at));
  const flopsAt = (at: number, layers = depthsOf(plan.spec).proxy): number =>
    flopsPerStep(modelConfig(plan, at, layers), plan.spec.train.batch);
  const flops = rateFactors.length * flopsAt(between) + (below === undefined ? 0 : flopsAt(below));
  const share = percentOf(flops / flopsAt(width, depthsOf(plan.spec).target));
  say(`pre-launch check: costs ${share} of the target's training besides a coordinate check; --skip-check leaves it out`);
  const coordinates = await untilSignal(
    async (stop) => {
      const heed = (): void => {
        if (stop.exitCode !== undefined) throw new Interrupted(stop.exitCode);
      };
      const check = (): ReturnType<typeof checkPlanCoordinates> =>
        checkPlanCoordinates(plan, (size) => {
          heed();
          say(`pre-launch check: coordinates at ${size}`);
        });
      const found = await whileInPlace(context.lock, check);
      heed();
      return found;
    },
    () => say("stopping after this size; interrupt again to stop now"),
  );
  const stemAt = (at: number): string => jobStem("check", at);
  const losses = async (at: number, factors: readonly number[]): Promise<readonly (number | null)[]> => {
    const lanes = factors.map((factor) => ({
      seed: best.seed,
      hyperparameters: { ...best.hyperparameters, learning_rate: factor * best.hyperparameters["learning_rate"] },
    }));
    const job = stackJob(plan, lanes, at, cores());
    const outcomes = await trainJob(`check at width ${at}`, job, stemAt(at), context);
    return outcomes.map(({ validationLoss }) => validationLoss);
  };
  const [half, winner, twice] = await losses(between, rateFactors);
  const [narrow] = below === undefined ? [null] : await losses(below, [1]);
  const noise = noiseOf(results);
  const measured = [
    ...(below === undefined ? [] : [{ width: below, validation_loss: narrow }]),
    { width: widths.proxy, validation_loss: best.validation_loss },
    { width: between, validation_loss: winner },
  ];
  const points = measured.flatMap(({ width: at, validation_loss: nats }): WidthLoss[] =>
    nats === null ? [] : [{ width: at, lossNats: nats }],
  );
  // The points are as deep as the proxies: they say nothing of what more blocks gain.
  const isDeeper = depthsOf(plan.spec).target !== depthsOf(plan.spec).proxy;
  const predicted = winner === null || points.length < 2 || isDeeper ? null : predictLoss(points, width, noise);
  const found = {
    width: between,
    proxyNats: best.validation_loss,
    halfNats: half,
    winnerNats: winner,
    twiceNats: twice,
  };
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
        : { validation_loss: predicted.lossNats, low: predicted.lowNats, high: predicted.highNats, exponent: predicted.exponent },
    objections: [
      ...(coordinates.verdict === "FAIL" ? [`the coordinate check fails: ${coordinates.reason}`] : []),
      ...objections(found, noise),
    ],
  };
  const record = sealed(content);
  folder.write(runFiles.prelaunch, [jsonText(record)], "results");
  for (const at of [between, below ?? between]) removeCheckpoints(folder, stemAt(at));
  return record;
}

/** What fresh seeds say of one seed's loss. */
function noiseOf({ confirmation }: Results): Noise {
  const groups = confirmation
    .map(({ losses }) => losses.flatMap(({ validation_loss: nats }) => (nats === null ? [] : [nats])))
    .filter((sound, index) => sound.length === confirmation[index].losses.length);
  const deviationNats = pooledDeviation(groups);
  return deviationNats === null ? undefined : { deviationNats, freedom: groups.reduce((sum, { length }) => sum + length - 1, 0) };
}

function readPrelaunch(folder: OpenFolder): Prelaunch | undefined {
  const text = folder.text(runFiles.prelaunch);
  try {
    return text === undefined ? undefined : prelaunchSchema.parse(JSON.parse(text));
  } catch {
    return undefined; // damaged or edited: found out again
  }
}
