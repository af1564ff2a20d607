/**
 * The fastest engine for some work: every engine on a GPU that runs here and the first
 * that runs on the CPU are timed. Which are considered at all is candidates.ts's business.
 */
import type { EngineName } from "../engines/engine.ts";
import type { Registry } from "../engines/registry.ts";
import { WorkerUnavailable } from "../workers/pool.ts";
import type { EngineDescription } from "../workers/tasks.ts";
import { chosenTiming, type Setup } from "./arrangements.ts";
import type { Candidates } from "./candidates.ts";
import type { EnginePools } from "./pools.ts";
import { cannotTrain, isRefusal, type Refusal } from "./refusals.ts";
import type { Clock } from "./graduated.ts";
import { measure, type MeasureOptions, type Work } from "./timing.ts";

/** What there is to choose from, and who is told of what is not. */
export interface Offer extends Clock {
  readonly registry: Registry;
  readonly candidates: Candidates;
  readonly pools: EnginePools;
}

const secondsOf = (setup: Setup): number => chosenTiming(setup)?.secondsPerSweepStep ?? 0;

/** Times what can be had and takes the fastest; throws a UserError of kind engine, or usage when the work does not fit, when nothing can. */
export async function fastest(work: Work, options: MeasureOptions, { registry, candidates, pools, note, now }: Offer): Promise<Setup> {
  const isOnGpu = (name: EngineName): boolean => registry[name].kind === "gpu";
  const isNamed = candidates.named !== undefined;
  const { precision } = work.plan.spec.train;
  const described: (EngineDescription & { readonly name: EngineName })[] = [];
  let refusal: Refusal | undefined;
  const refuse = (name: EngineName, error: unknown): void => {
    if (!isRefusal(error)) throw error;
    refusal = error;
    // Few machines have a GPU: one that is not there is no news.
    if (isOnGpu(name) && error instanceof WorkerUnavailable) candidates.ruleOut(name, error.message);
    else if (!isNamed) note(`not using ${name}: ${error.message}`);
  };
  for (const name of await candidates.names()) {
    if (!isOnGpu(name) && described.some((each) => !isOnGpu(each.name))) continue;
    try {
      const description = await pools.describe(name, precision);
      const isSoftware = isOnGpu(name) && description.device.kind === "cpu";
      if (isSoftware && !isNamed) candidates.ruleOut(name, `only ${description.device.name}, which is no GPU`);
      else described.push({ name, ...description });
    } catch (error) {
      refuse(name, error);
    }
  }
  const setups: Setup[] = [];
  const until = now() + options.seconds;
  for (const [index, { name, version, device }] of described.entries()) {
    try {
      const [pool, workers] = [pools.of(name, precision), pools.size(name, precision)];
      const measured = { name, entry: registry[name], version, device, pool, workers };
      const seconds = (until - now()) / (described.length - index);
      setups.push(await measure(measured, work, { ...options, always: described.length > 1 || options.always, seconds }, { note, now }));
    } catch (error) {
      refuse(name, error);
    }
  }
  const [best, second] = setups.sort((a, b) => secondsOf(a) - secondsOf(b));
  if (best === undefined) throw cannotTrain(refusal, candidates.named);
  const timed = setups.flatMap((each) => each.timed);
  const reason =
    second === undefined
      ? candidates.reasonAlone(best)
      : `${(secondsOf(second) / secondsOf(best)).toPrecision(2)}× as fast as ${second.engine}`;
  return { ...best, timed, reason };
}
