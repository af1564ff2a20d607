/**
 * What a sweep has to train next: trials in brackets with rungs, then the best again on
 * fresh seeds, and those of them that cannot be told apart on more. A pure function of the spec
 * and of how trials have ended so far, so that a run that continues goes on with the same plan.
 */
import type { CheckpointedStack } from "../run/checkpoints.ts";
import { RunState, rungsOf, type TrialSummary } from "../run/state.ts";
import { isSound } from "../run/trial-result.ts";
import { memberKey, type Member, type Trial } from "../run/trial.ts";
import type { Designer } from "../search/designer.ts";
import { designers } from "../search/designers.ts";
import type { CompleteSpec } from "../spec/complete.ts";
import { standingOf } from "./racing.ts";
import { confirmedOf, freshSeedsOf, rankTrials } from "./select.ts";

/** A trial and the step it is to be trained to. */
export interface Due {
  readonly trial: Trial;
  readonly until: number;
}

type Settled = (trial: Trial) => boolean;

/** How many of a rung's trials go on to the next. */
const promotedOf = (count: number, reduction: number): number => Math.floor(count / reduction);

/** What a sweep trains, and in which order. */
export class Agenda {
  private readonly spec: CompleteSpec;
  private readonly designer: Designer;
  /** Trials that compete with each other: all of them, or those that a learning method suggested together. */
  private readonly brackets: (readonly Trial[])[] = [];
  private count = 0;
  /** The last bracket has been shown to the designer. */
  private isObserved = true;

  constructor(spec: CompleteSpec) {
    const { method, parameters, trials } = spec.search;
    this.spec = spec;
    this.designer = designers[method].make({ space: parameters, seed: spec.seed, trials });
  }

  /** Trials of the first stage that are known so far, in order of their ids. */
  get trials(): readonly Trial[] {
    return this.brackets.flat();
  }

  /** What can be trained now; nothing when the sweep is done. `isGivenUp` tells which failed trials are not tried again. */
  due(state: RunState, isGivenUp: Settled): readonly Due[] {
    for (;;) {
      const last = this.brackets.at(-1);
      if (last !== undefined) {
        // Nothing was due of the brackets before it when it was suggested, and what has ended stays so.
        const { due } = this.standingOf(last, state, isGivenUp);
        if (due.length > 0) return due;
      }
      if (this.count >= this.spec.search.trials) return this.again(state, isGivenUp).filter(isOpen(state, isGivenUp)).map(this.toEnd);
      if (last !== undefined) this.observe(last, state);
      if (!this.suggest(state)) return [];
    }
  }

  /** Trials that wait at a rung, or have gone on from one: how far they will be trained is open yet. What is due has to have been asked for before. */
  undecided(state: RunState, isGivenUp: Settled): readonly Trial[] {
    const last = this.brackets.at(-1);
    const contenders = last === undefined ? [] : this.standingOf(last, state, isGivenUp).contenders;
    return contenders.filter((trial) => state.of(trial)?.status === "stopped");
  }

  /** The best trials with their fresh seeds: those that each of them gets, and those that racing has added so far. */
  confirmations(state: RunState): readonly Trial[] {
    return this.again(state, () => true);
  }

  /** The same, when `isGivenUp` tells which failed trainings are not waited for. */
  private again(state: RunState, isGivenUp: Settled): readonly Trial[] {
    const { confirm } = this.spec.search;
    const fresh = freshSeedsOf(this.spec);
    if (confirm === null || fresh === undefined) return [];
    const { seeds, least } = fresh;
    const best = [...rankTrials(this.trials.flatMap((trial) => state.of(trial) ?? []).filter(isSound))]
      .slice(0, confirm.top)
      .sort((a, b) => a.id - b.id);
    const asked = best.flatMap(({ id, hyperparameters }) =>
      seeds.filter((seed, index) => index < least || state.of({ id, seed }) !== undefined).map((seed) => ({ id, seed, hyperparameters })),
    );
    // Nobody is told apart before all have ended that were asked for.
    if (asked.some(isOpen(state, isGivenUp))) return asked;
    const runs = best.map((first) => ({ first, again: seeds.flatMap((seed) => state.of({ id: first.id, seed }) ?? []) }));
    const { next } = standingOf(confirmedOf(runs), fresh);
    const more = best.filter(({ id }) => next?.ids.includes(id));
    return [...asked, ...more.map(({ id, hyperparameters }) => ({ id, seed: next?.seed ?? 0, hyperparameters }))];
  }

  private readonly toEnd = (trial: Trial): Due => ({ trial, until: this.spec.train.steps });

  private observe(bracket: readonly Trial[], state: RunState): void {
    if (this.isObserved) return;
    this.designer.observe(
      bracket.map((trial) => {
        const ended = state.of(trial);
        return {
          point: trial.hyperparameters,
          validationLoss: ended?.validationLoss ?? null,
          steps: ended?.steps ?? 0,
        };
      }),
    );
    this.isObserved = true;
  }

  private suggest(state: RunState): boolean {
    const { trials, batch } = this.spec.search;
    const size = Math.min(batch ?? trials, trials - this.count);
    const idOf = (index: number): number => this.count + index;
    // What the journal holds was tried, whatever would be suggested today: nothing is suggested where it holds all.
    const tried = Array.from({ length: size }, (_, index) => state.pointOf(idOf(index))).filter((point) => point !== undefined);
    const points = tried.length === size ? tried : this.designer.suggest(size);
    const bracket = points.map((point, index) => ({
      id: idOf(index),
      seed: this.spec.seed,
      hyperparameters: state.pointOf(idOf(index)) ?? point,
    }));
    this.brackets.push(bracket);
    this.count += bracket.length;
    this.isObserved = false;
    return bracket.length > 0;
  }

  /** Trials of a bracket that are allowed to a rung that they have not reached, the furthest first, and those that may still get further. */
  private standingOf(
    bracket: readonly Trial[],
    state: RunState,
    isGivenUp: Settled,
  ): { readonly due: readonly Due[]; readonly contenders: readonly Trial[] } {
    const stopping = this.spec.search.early_stopping;
    const rungs = rungsOf(this.spec);
    const isAt = isOpen(state, isGivenUp);
    const due: Due[] = [];
    let cohort = bracket;
    for (const [rung, until] of rungs.entries()) {
      const open = cohort.filter((trial) => isAt(trial) && (state.of(trial)?.rungLosses[rung] ?? null) === null);
      due.unshift(...open.map((trial) => ({ trial, until })));
      if (stopping === null || (stopping.method === "halving" && open.length > 0)) return { due, contenders: cohort };
      const reached = cohort.flatMap((trial) => {
        const ended = state.of(trial);
        const loss = ended?.rungLosses[rung] ?? null;
        return ended === undefined || loss === null ? [] : [{ trial, loss, isBeyond: ended.steps > until }];
      });
      // At least one goes on from a rung that is complete; those that died on the way count as its worst.
      const promoted = promotedOf(due.length === 0 ? cohort.length : reached.length, stopping.reduction);
      const kept = Math.max(due.length === 0 ? 1 : 0, promoted);
      cohort = reached
        .sort((a, b) => a.loss - b.loss || a.trial.id - b.trial.id)
        .filter(({ isBeyond }, place) => place < kept || isBeyond)
        .map(({ trial }) => trial);
    }
    return { due, contenders: due.length > 0 ? bracket : [] };
  }
}

/** The agenda as far as a run has come, and whether nothing is left to train; what has failed counts as given up. */
function agendaAt(spec: CompleteSpec, state: RunState): { readonly agenda: Agenda; readonly isDone: boolean } {
  const agenda = new Agenda(spec);
  return { isDone: agenda.due(state, () => true).length === 0, agenda };
}

/** How the trainings ended that a sweep's outcome is made of: first runs, and those fresh seeds that its best trials are confirmed on now. */
export function judgedTrials(
  spec: CompleteSpec,
  state: RunState,
): { readonly first: readonly TrialSummary[]; readonly confirmations: readonly TrialSummary[] } {
  const endsOf = (trials: readonly Trial[]): readonly TrialSummary[] => trials.flatMap((trial) => state.of(trial) ?? []);
  const { agenda } = agendaAt(spec, state);
  return { first: endsOf(agenda.trials), confirmations: endsOf(agenda.confirmations(state)) };
}

/** The trials that a sweep begins with. */
export const openingTrials = (spec: CompleteSpec): readonly Trial[] =>
  new Agenda(spec).due(new RunState(), () => false).map(({ trial }) => trial);

/** Whether a trial may still be trained. */
const isOpen =
  (state: RunState, isGivenUp: Settled) =>
  (trial: Trial): boolean => {
    const status = state.of(trial)?.status;
    return status === undefined || status === "stopped" || (status === "failed" && !isGivenUp(trial));
  };

/** Whether a training is one that racing has added. */
export function isRaced(spec: CompleteSpec): (member: Pick<Member, "seed">) => boolean {
  const { seeds, least } = freshSeedsOf(spec) ?? { seeds: [], least: 0 };
  const added = new Set(seeds.slice(least));
  return ({ seed }) => added.has(seed);
}

/** How far a run has come. */
export interface Reached {
  /** Trainings that are known of so far, and those of them that racing has added. */
  readonly trainings: number;
  readonly raced: number;
  /** Trials at a rung or beyond it that may be trained further. */
  readonly undecided: number;
  readonly isDone: boolean;
}

/** How far a run has come; what has failed counts as given up. */
export function reached(spec: CompleteSpec, state: RunState): Reached {
  const { agenda, isDone } = agendaAt(spec, state);
  const raced = agenda.confirmations(state).filter(isRaced(spec)).length;
  return {
    ...{ trainings: plannedWork(spec).trainings + raced, raced },
    undecided: agenda.undecided(state, () => true).length,
    isDone,
  };
}

/** The step that a training was to get to that came as far as this one: the next rung, or the end. */
export const headedFor = (
  { seed, steps }: { readonly seed: number; readonly steps: number },
  { seed: firstSeed, rungs, end }: { readonly seed: number; readonly rungs: Iterable<number>; readonly end: number },
): number => (seed === firstSeed ? Math.min(end, ...[...rungs].filter((rung) => rung >= steps)) : end);

/** How much there is to train. */
export interface PlannedWork {
  /** Trainings that are begun: trials, and confirmations of the best; those that racing may add are not known before. */
  readonly trainings: number;
  /** Steps of all of them, when nothing diverges. */
  readonly trialSteps: number;
}

/** What a sweep will train, before any of it has been trained. */
export function plannedWork(spec: CompleteSpec): PlannedWork {
  const { trials, batch, early_stopping: stopping, confirm } = spec.search;
  const confirmed = confirm === null ? 0 : confirm.top * confirm.seeds;
  let trialSteps = confirmed * spec.train.steps;
  for (let left = trials; left > 0; left -= batch ?? trials) {
    let [count, reached] = [Math.min(left, batch ?? trials), 0];
    for (const until of rungsOf(spec)) {
      trialSteps += count * (until - reached);
      count = Math.max(1, promotedOf(count, stopping?.reduction ?? 1));
      reached = until;
    }
  }
  return { trainings: trials + confirmed, trialSteps };
}

/** How many of the trainings that racing has added have ended. */
export const racedIn = (spec: CompleteSpec, { trials }: RunState): number =>
  trials.filter(isRaced(spec)).filter(({ status }) => status !== "failed").length;

/** The trainings that racing may add at most: each added seed is for all that are confirmed, while none can be told apart. */
export function mostRaced(spec: CompleteSpec): { readonly rounds: number; readonly perRound: number } {
  const { seeds, least } = freshSeedsOf(spec) ?? { seeds: [], least: 0 };
  const perRound = spec.search.confirm?.top ?? 0;
  return perRound < 2 ? { rounds: 0, perRound: 0 } : { rounds: seeds.length - least, perRound };
}

/** How far a run has come in its steps. */
export interface StepsMade {
  /** Steps of all trainings that are known of, those that racing has added among them. */
  readonly trialSteps: number;
  /** How many of them have been made: in trainings that have ended, up to rungs, and up to checkpoints. */
  readonly madeSteps: number;
}

/** How many steps a run has made when nothing is in training, of those with `raced` trainings that racing has added (unless given, that have ended); those that a divergence has spared count, up to the next rung. */
export function stepsMade(
  spec: CompleteSpec,
  state: RunState,
  begun: readonly CheckpointedStack[],
  raced = racedIn(spec, state),
): StepsMade {
  const { steps } = spec.train;
  const { trials } = state;
  const trialSteps = plannedWork(spec).trialSteps + raced * steps;
  const schedule = { seed: spec.seed, rungs: rungsOf(spec), end: steps };
  const ended = trials.reduce((sum, trial) => sum + (trial.status === "diverged" ? headedFor(trial, schedule) : trial.steps), 0);
  // A trial may be kept in two stacks, and as it was at its rung.
  const kept = new Map<string, number>();
  for (const { members, step } of begun)
    for (const member of members) {
      const { status = "stopped", steps: known = 0 } = state.of(member) ?? {};
      const further = status === "stopped" || status === "failed" ? Math.max(0, step - known) : 0;
      kept.set(memberKey(member), Math.max(further, kept.get(memberKey(member)) ?? 0));
    }
  const more = [...kept.values()].reduce((sum, each) => sum + each, 0);
  return { trialSteps, madeSteps: Math.min(trialSteps, ended + more) };
}

/** At one rung: how many were there, how many went on, and the place of a trial among them. */
export interface RungReport {
  readonly steps: number;
  readonly trials: number;
  readonly kept: number;
  /** From 1; null when the trial was not there. */
  readonly place: number | null;
}

/** Where a trial stood at each rung of its bracket. */
export function rungReports(spec: CompleteSpec, trials: readonly TrialSummary[], id: number): readonly RungReport[] {
  const { batch, early_stopping: stopping } = spec.search;
  if (stopping === null) return [];
  const bracketOf = (trial: number): number => (batch === null ? 0 : Math.floor(trial / batch));
  const rivals = trials.filter((trial) => trial.seed === spec.seed && bracketOf(trial.id) === bracketOf(id));
  return stopping.rungs.map((steps, rung) => {
    const lossOf = (trial: TrialSummary): number => trial.rungLosses[rung] ?? Infinity;
    const there = rivals.filter((trial) => lossOf(trial) < Infinity).sort((a, b) => lossOf(a) - lossOf(b) || a.id - b.id);
    const place = there.findIndex((trial) => trial.id === id);
    const kept = there.filter((trial) => trial.steps > steps).length;
    return { steps, trials: there.length, kept, place: place < 0 ? null : place + 1 };
  });
}
