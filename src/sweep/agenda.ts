/**
 * What a sweep has to train next: trials in brackets with rungs, then the best again on
 * fresh seeds. A pure function of the spec and of how trials have ended so far, so that
 * a run that continues goes on with the same plan.
 */
import { seedsFrom } from "../rng.ts";
import { RunState, rungsOf, type TrialSummary } from "../run/state.ts";
import { isSound } from "../run/trial-result.ts";
import type { Trial } from "../run/trial.ts";
import type { Designer } from "../search/designer.ts";
import { designers } from "../search/designers.ts";
import type { CompleteSpec } from "../spec/complete.ts";
import { rankTrials } from "./select.ts";

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
        const due = this.brackets.flatMap((bracket) => this.dueOf(bracket, state, isGivenUp));
        if (due.length > 0) return due;
      }
      if (this.count >= this.spec.search.trials) return this.confirmations(state).filter(isOpen(state, isGivenUp)).map(this.toEnd);
      if (last !== undefined) this.observe(last, state);
      if (!this.suggest(state)) return [];
    }
  }

  /** The best trials with their fresh seeds. */
  confirmations(state: RunState): readonly Trial[] {
    const { search, seed } = this.spec;
    if (search.confirm === null) return [];
    const { top, seeds } = search.confirm;
    const ended = this.trials.flatMap((trial) => state.of(trial) ?? []);
    return rankTrials(ended.filter(isSound))
      .slice(0, top)
      .sort((a, b) => a.id - b.id)
      .flatMap(({ id, hyperparameters }) => seedsFrom(seed + 1, seeds).map((fresh) => ({ id, seed: fresh, hyperparameters })));
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
    const points = this.designer.suggest(Math.min(batch ?? trials, trials - this.count));
    // What the journal holds was tried, whatever would be suggested today.
    const bracket = points.map((point, index) => {
      const id = this.count + index;
      return { id, seed: this.spec.seed, hyperparameters: state.pointOf(id) ?? point };
    });
    this.brackets.push(bracket);
    this.count += bracket.length;
    this.isObserved = false;
    return bracket.length > 0;
  }

  /** Trials of a bracket that are allowed to a rung that they have not reached, the furthest first. */
  private dueOf(bracket: readonly Trial[], state: RunState, isGivenUp: Settled): readonly Due[] {
    const stopping = this.spec.search.early_stopping;
    const rungs = rungsOf(this.spec);
    const isAt = isOpen(state, isGivenUp);
    const due: Due[] = [];
    let cohort = bracket;
    for (const [rung, until] of rungs.entries()) {
      const open = cohort.filter((trial) => isAt(trial) && (state.of(trial)?.rungLosses[rung] ?? null) === null);
      due.unshift(...open.map((trial) => ({ trial, until })));
      if (stopping === null || (stopping.method === "halving" && open.length > 0)) break;
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
    return due;
  }
}

/** The trials that a sweep begins with. */
export const openingTrials = (spec: CompleteSpec): readonly Trial[] =>
  new Agenda(spec).due(new RunState(), () => false).map(({ trial }) => trial);

/** Whether there is nothing left to train; what has failed counts as given up. */
export const isDone = (spec: CompleteSpec, state: RunState): boolean => new Agenda(spec).due(state, () => true).length === 0;

/** Whether a trial may still be trained. */
const isOpen =
  (state: RunState, isGivenUp: Settled) =>
  (trial: Trial): boolean => {
    const status = state.of(trial)?.status;
    return status === undefined || status === "stopped" || (status === "failed" && !isGivenUp(trial));
  };

/** How much there is to train. */
export interface PlannedWork {
  /** Trainings that are begun: trials, and confirmations of the best. */
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
