/**
 * How a sweep is spread over workers: trials per stack, stacks at a time, cores each.
 * Decided by timing a few steps of each arrangement that fits the memory, from small
 * stacks up, for as long as that costs little against the sweep itself. Starts nothing itself.
 */
import type { Device, EngineName } from "../engines/engine.ts";

/** One way to run the trials of a sweep. */
export interface Arrangement {
  /** Trials per stack. */
  readonly stackSize: number;
  /** Stacks trained at the same time. */
  readonly jobs: number;
  /** Cores each of them may use. */
  readonly threads: number;
}

/** An arrangement, and how long its steps take. */
export interface Timed extends Arrangement {
  /** How long one stack's step takes while `jobs` stacks train. */
  readonly secondsPerStep: number;
  /** How long it takes to make a step of every trial of the sweep. */
  readonly secondsPerSweepStep: number;
  /** The share of a step that was timed, where it is known and not all of it. */
  readonly share?: number;
}

/** An engine with its arrangement, and the timings behind the choice. */
export interface Setup {
  readonly engine: EngineName;
  /** Package and version that does the arithmetic. */
  readonly version: string;
  readonly device: Device;
  /** What the operands of matrix products are. */
  readonly products: string;
  readonly arrangement: Arrangement;
  /** Why this engine, in a few words. */
  readonly reason: string;
  /** Every arrangement that was timed, of every engine; none where there was no choice. */
  readonly timed: readonly (Timed & { readonly engine: EngineName })[];
}

/** What an arrangement has to suit. */
export interface Bounds {
  readonly trials: number;
  /** Steps of each trial. */
  readonly steps: number;
  /** Workers that the device is meant for: its cores, or one for each GPU. */
  readonly workers: number;
  /** Whether a worker may use several cores. */
  readonly onCpu: boolean;
  /** What the user decided. */
  readonly jobs?: number | undefined;
  readonly stackSize?: number | undefined;
  /** Whether the memory estimate of this arrangement fits the devices. */
  readonly fits: (arrangement: Arrangement) => Promise<boolean>;
  /** Whether to time even where nothing is to be decided. */
  readonly always?: boolean;
  /** Whether there is time for one more; always unless given. */
  readonly isTimeFor?: (arrangement: Arrangement) => boolean;
}

/** Each stack that is tried is so many times the one before. */
const growth = 4;
/** One more arrangement is timed while that takes at most this share of what the sweep would: a GPU has more to gain. */
const probeShare = { cpu: 0.02, gpu: 0.25 } as const;
/** A larger stack must take so much less: small ones lose less when a worker dies, and timings are noisy. */
const worthwhile = 0.9;

type Asked = Pick<Bounds, "trials" | "workers" | "onCpu" | "jobs" | "stackSize">;

/** The arrangements to try, from the plainest on. */
export function arrangements({ trials, workers, onCpu, jobs, stackSize }: Asked): readonly Arrangement[] {
  const of = (size: number): Arrangement => {
    const stacks = Math.ceil(trials / size);
    // Fewer stacks than cores share the cores, unless the user has said how many may be busy.
    return jobs === undefined
      ? { stackSize: size, jobs: Math.min(workers, stacks), threads: onCpu ? Math.max(1, Math.floor(workers / stacks)) : 1 }
      : { stackSize: size, jobs: Math.min(jobs, stacks), threads: 1 };
  };
  if (stackSize !== undefined) return [of(Math.min(stackSize, trials))];
  const largest = Math.max(1, Math.ceil(trials / (jobs ?? workers)));
  const sizes = [1];
  while ((sizes.at(-1) as number) < largest) sizes.push(Math.min(largest, growth * (sizes.at(-1) as number)));
  const wide: Arrangement = { stackSize: 1, jobs: 1, threads: workers };
  const stacked = sizes.map(of);
  return onCpu && jobs === undefined && workers > 1 && trials > 1 ? [...stacked.slice(0, 1), wide, ...stacked.slice(1)] : stacked;
}

/** The arrangement with as few fewer stacks at a time, and then as few fewer trials in them, as make it fit. */
async function fitted(arrangement: Arrangement, fits: Bounds["fits"]): Promise<Arrangement> {
  if (await fits(arrangement)) return arrangement;
  const { jobs, stackSize } = arrangement;
  if (jobs > 1) return fitted({ ...arrangement, jobs: Math.floor(jobs / 2) }, fits);
  // One model is tried whatever the estimate says.
  return stackSize > 1 ? fitted({ ...arrangement, stackSize: Math.floor(stackSize / 2) }, fits) : arrangement;
}

/**
 * Times arrangements and picks the fastest; `measure` gives seconds per step, and the share of it that was timed, or undefined for one
 * that cannot be run, and `now` seconds on a monotonic clock. Without a `best` not even the plainest can be run;
 * without timings there was nothing to decide.
 */
export async function arrange(
  bounds: Bounds,
  measure: (arrangement: Arrangement) => Promise<Pick<Timed, "secondsPerStep" | "share"> | undefined>,
  now: () => number,
): Promise<{ readonly best: Arrangement | undefined; readonly timed: readonly Timed[] }> {
  const [first, ...others] = arrangements(bounds);
  let plainest = await fitted(first, bounds.fits);
  if (others.length === 0 && !bounds.always) return { best: plainest, timed: [] };
  const timed: Timed[] = [];
  let lastSeconds = 0;
  const time = async (arrangement: Arrangement): Promise<Timed | undefined> => {
    const started = now();
    const measured = await measure(arrangement);
    lastSeconds = now() - started;
    if (measured === undefined) return undefined;
    const { secondsPerStep, share = 1 } = measured;
    const waves = Math.ceil(Math.ceil(bounds.trials / arrangement.stackSize) / arrangement.jobs);
    const result = { ...arrangement, secondsPerStep, secondsPerSweepStep: waves * secondsPerStep, ...(share < 1 && { share }) };
    timed.push(result);
    return result;
  };
  let best = await time(plainest);
  while (best === undefined && plainest.stackSize > 1) {
    plainest = { ...plainest, stackSize: Math.floor(plainest.stackSize / 2) };
    best = await time(plainest);
  }
  if (best === undefined) return { best, timed };
  const share = probeShare[bounds.onCpu ? "cpu" : "gpu"];
  for (const arrangement of others) {
    if (lastSeconds > share * best.secondsPerSweepStep * bounds.steps || !(await bounds.fits(arrangement))) break;
    if (bounds.isTimeFor?.(arrangement) === false) break;
    const result = await time(arrangement);
    if (result === undefined) break;
    if (result.secondsPerSweepStep < worthwhile * best.secondsPerSweepStep) best = result;
    // Stacks only get slower from here: what a larger one saves in calls it has lost in the caches.
    else if (result.stackSize > best.stackSize && result.secondsPerSweepStep > best.secondsPerSweepStep / worthwhile) break;
  }
  return { best, timed };
}

const sameAs = (a: Arrangement, b: Arrangement): boolean => a.stackSize === b.stackSize && a.jobs === b.jobs && a.threads === b.threads;
/** The timing of what was chosen, if there was one. */
export const chosenTiming = ({ engine, arrangement, timed }: Setup): Setup["timed"][number] | undefined =>
  timed.find((each) => each.engine === engine && sameAs(each, arrangement));
