/**
 * Timing a training step within a given time: first a small part of it, then as large a part
 * as there is time for, or all of it. One engine's workers do it; what they are compared for
 * is timing.ts's business.
 */
import type { Device } from "../engines/engine.ts";
import { percentOf } from "../numbers.ts";
import type { Training } from "../training/train.ts";
import type { WorkerPool } from "../workers/pool.ts";
import { timedPart, workOf } from "./parts.ts";

/** A clock, and somebody to be told of what takes long. */
export interface Clock {
  /** Tells the user of what takes long, and of what is not used and why. */
  readonly note: (text: string) => void;
  /** Seconds on a monotonic clock. */
  readonly now: () => number;
}

/** How long a step takes. */
export interface StepTime {
  readonly secondsPerStep: number;
  /** The share of the step that was timed. */
  readonly share: number;
  /** The work of that part (see workOf). */
  readonly work: number;
  /** How long it took to find out. */
  readonly wallSeconds: number;
}

/** How long all workers train at once to be timed, and how often: the fastest counts, since whatever else the machine does slows. */
const [timedSeconds, timedRounds] = [0.05, 2];
/** No step, or part of one, takes longer to time: about a second's work. */
export const mostTimedWork: { readonly [K in Device["kind"]]: number } = { cpu: 1e11, gpu: 1e13 };
/** A part that the slowest engine takes about a second for. */
const firstWork = 2e8;
/** Less says nothing of how arrangements compare. */
export const tellingWork = 1e9;
/** The next part is at most so many times as large: what a small one says of a large one is only so much. */
const mostGrowth = 64;
/** Below it, the next part would say little more. */
const leastGrowth = 2;
/** What is known of a speed may be wrong by as much. */
const knownShare = 0.5;
/** Steps that timing takes: two before, and as many as there are rounds, and what loading the weights takes. */
const stepsOfTiming = 8;

/** How long timing a part that is so many times as large is going to take: what the small one took, and so many more steps. */
export const secondsToTime = ({ secondsPerStep, share, wallSeconds }: StepTime, growth: number): number =>
  wallSeconds + growth * stepsOfTiming * secondsPerStep * share;

/** Seconds per step of all of a training while `jobs` workers train at once, timed on at most `most` work of it (see workOf). */
export async function timeStep(
  pool: Pick<WorkerPool, "run">,
  training: Training,
  jobs: number,
  most: number,
  { note, now }: Clock,
): Promise<StepTime> {
  const started = now();
  const { training: part, share } = timedPart(training, most);
  const all = async <T>(run: () => Promise<T>): Promise<readonly T[]> => Promise.all(Array.from({ length: jobs }, run));
  await all(() => pool.run({ kind: "prepare", training: part }, (news) => "note" in news && note(news.note)));
  const rounds: number[] = [];
  while (rounds.length < timedRounds) {
    const times = await all(() => pool.run({ kind: "measure", training: part, seconds: timedSeconds }));
    rounds.push(times.reduce((sum, { secondsPerStep }) => sum + secondsPerStep, 0) / times.length);
  }
  return { secondsPerStep: Math.min(...rounds) / share, share, work: workOf(part), wallSeconds: now() - started };
}

/** What is timed, where. */
export interface Timing {
  readonly pool: Pick<WorkerPool, "run">;
  readonly training: Training;
  /** Workers that train at once. */
  readonly jobs: number;
  readonly kind: Device["kind"];
}

/**
 * The same, in about so many seconds: of a part that is as large as there is time for. `secondsPerWork` is what is known
 * of the engine's speed; the smallest part is left out then, of which little can be learned.
 */
export async function timeStepWithin(
  seconds: number,
  { pool, training, jobs, kind }: Timing,
  clock: Clock,
  secondsPerWork = Infinity,
): Promise<StepTime> {
  const until = clock.now() + seconds;
  let most = Math.min(mostTimedWork[kind], Math.max(firstWork, (knownShare * seconds) / (stepsOfTiming * secondsPerWork)));
  for (;;) {
    const { share } = timedPart(training, most);
    if (share < 1 && most > firstWork) clock.note(`a step takes long: it is timed on ${percentOf(share)} of it`);
    const timed = await timeStep(pool, training, jobs, most, clock);
    const fitting = (until - clock.now() - timed.wallSeconds) / (secondsToTime(timed, 1) - timed.wallSeconds);
    const growth = Math.min(mostGrowth, fitting, mostTimedWork[kind] / timed.work);
    if (timed.share === 1 || growth < Math.min(leastGrowth, 1 / timed.share)) return timed;
    most = growth * timed.work;
  }
}
