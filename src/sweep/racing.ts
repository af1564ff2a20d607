/**
 * Racing: which confirmed trials cannot be told from the best of them over the seeds that they share, what they are
 * trained on next to tell, and who wins. Owns the tie rule of runs under rules 2; what is trained when is agenda.ts's.
 */
import { assumedDeviationNats, mean, squaredDeviations } from "../statistics.ts";
import type { Confirmed, Decision, FreshSeeds, Race } from "./confirmed.ts";
import { seedDeviation } from "./deviation.ts";

/** A race as far as it has come. */
interface Standing {
  /** Those that cannot be told from the first, best mean over the shared seeds first; nobody when none has all of the first seeds. */
  readonly contenders: readonly Confirmed[];
  /** Fresh seeds that all contenders share. */
  readonly shared: number;
  /** Those that could be told apart from the best, the last first. */
  readonly beaten: readonly Confirmed[];
  /** The seed that contenders are trained on next, and which of them lack it. */
  readonly next: { readonly seed: number; readonly ids: readonly number[] } | undefined;
}

/** A trial's losses over some seeds; undefined unless it has all of them. */
function lossesOver({ seeds, validationLosses }: Confirmed, wanted: readonly number[]): readonly number[] | undefined {
  const losses = wanted.flatMap((seed) => validationLosses[seeds.indexOf(seed)] ?? []);
  return losses.length === wanted.length ? losses : undefined;
}

/** Whether a mean paired difference to the best is within its own standard error; a single pair has none, and is taken at what a seed is assumed to change while there can be more. */
function isTied(losses: readonly number[], best: readonly number[], mayBeMore: boolean): boolean {
  const differences = losses.map((loss, index) => loss - best[index]);
  const count = differences.length;
  if (count === 1) return mayBeMore && mean(differences) <= Math.SQRT2 * assumedDeviationNats;
  return mean(differences) <= Math.sqrt(squaredDeviations(differences) / (count - 1) / count);
}

/** How a race stands among trials of which all have ended that were asked for; a pure function of their losses. */
export function standingOf(confirmed: readonly Confirmed[], { seeds, least }: FreshSeeds): Standing {
  // Whoever did not complete on some seed is out wherever that was, and those that it had beaten race without it.
  const sound = confirmed.filter(({ meanLoss }) => meanLoss !== null);
  let contenders = sound.filter((each) => lossesOver(each, seeds.slice(0, least)) !== undefined);
  const beaten: Confirmed[] = [];
  for (let shared = least; ; shared++) {
    const over = seeds.slice(0, shared);
    const ranked = contenders
      .map((trial) => ({ trial, losses: lossesOver(trial, over) ?? [] }))
      .sort((a, b) => mean(a.losses) - mean(b.losses) || a.trial.id - b.trial.id);
    const isIn = ranked.map(({ losses }, place) => place === 0 || isTied(losses, ranked[0].losses, shared < seeds.length));
    contenders = ranked.filter((_, place) => isIn[place]).map(({ trial }) => trial);
    beaten.unshift(...ranked.filter((_, place) => !isIn[place]).map(({ trial }) => trial));
    if (contenders.length < 2 || shared >= seeds.length) return { contenders, shared, beaten, next: undefined };
    const lacking = contenders.filter((each) => !each.seeds.includes(seeds[shared])).map(({ id }) => id);
    if (lacking.length > 0) return { contenders, shared, beaten, next: { seed: seeds[shared], ids: lacking } };
  }
}

/**
 * The best mean over shared seeds, also of trials that these do not tell apart: the lowest learning rate among those is
 * no safer, as bench/calibration/ties.ts has it from seeds that had no part in it.
 */
export function decideByRacing(confirmed: readonly Confirmed[], fresh: FreshSeeds): Decision {
  const { contenders, shared, beaten } = standingOf(confirmed, fresh);
  const others = confirmed.filter((each) => !contenders.includes(each) && !beaten.includes(each)).sort((a, b) => a.id - b.id);
  const order = [...contenders, ...beaten, ...others];
  if (contenders.length === 0) return { confirmed: order, winner: undefined, race: undefined };
  const [winner] = contenders;
  const deviation = seedDeviation(confirmed);
  const race: Race = {
    raced: order
      .filter(({ seeds }) => seeds.length > fresh.least)
      .map(({ id }) => id)
      .sort((a, b) => a - b),
    seeds: shared,
    tied: contenders.map(({ id }) => id),
  };
  const standardError = deviation === null ? null : deviation / Math.sqrt(winner.seeds.length);
  return { confirmed: order, winner: { id: winner.id, standardError }, race };
}
