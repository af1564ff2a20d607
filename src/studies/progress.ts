/**
 * How far a study has come, as its events add up: the one reducer that the live display,
 * `status` and a page read. Numbers only; lines of text are report/progress.ts's business.
 */
import type { TrialSummary } from "../run/state.ts";
import type { TrialResult } from "../run/trial-result.ts";
import { memberKey, type Member } from "../run/trial.ts";
import { lowest } from "../statistics.ts";
import { headedFor } from "../sweep/agenda.ts";
import type { SweepEvent } from "../sweep/events.ts";
import type { LivePoint, LiveRun, LiveTraining } from "./live.ts";

/** A stack in training. */
export interface RunningStack {
  readonly trials: readonly number[];
  /** The step that it began with here. */
  readonly from: number;
  readonly step: number;
  /** The lowest of its trials' latest; null before the first. */
  readonly validationLoss: number | null;
  /** Each of its trainings with its losses so far; none before its worker has told of them. */
  readonly trainings: readonly LiveTraining[];
}

/** How far a study has come, and how fast. */
export type Pace = Pick<LiveRun, "fraction" | "stepsPerSecond" | "secondsLeft">;
/** Before so many seconds a rate says little. */
const tellingSeconds = 0.5;
/** A rate is that of the last so many seconds: it follows what else the machine does, and forgets a sleep. */
const rateSeconds = 30;

/** How a training ended, or how far it is at a rung. */
export type Ended = Member & Pick<TrialSummary, "status" | "validationLoss" | "steps">;

const stepsOf = (stack: RunningStack | undefined): number => (stack === undefined ? 0 : stack.trials.length * (stack.step - stack.from));

/** A study's progress so far; apply each of its events as it comes. */
export class Progress {
  name = "";
  /** Steps of each model that is trained to its end. */
  steps = 1;
  /** Trainings that are planned: trials, and confirmations of the best. */
  trainings = 0;
  /** How many of them had ended before. */
  resumed = 0;
  /** Steps of all trainings together. */
  trialSteps = 1;
  readonly running = new Map<number, RunningStack>();
  /** Trainings that have ended here. */
  readonly ended = new Map<string, Ended>();
  /** Trials that go no further than the rungs that they have reached here. */
  stoppedEarly = 0;
  /** The lowest loss of any first run that has ended and learned. */
  best: { readonly trial: number; readonly validationLoss: number } | undefined;
  /** Steps at which stacks end to be put together anew. */
  readonly rungs = new Set<number>();
  /** The seed of first runs. */
  private seed = NaN;
  /** Steps that were made here by times, the latest of each second. */
  private readonly made = [{ elapsed: 0, steps: 0 }];
  /** Steps that were made before, and those that a divergence spared. */
  private resumedSteps = 0;
  /** Whether a stack went on from where an earlier process had left it. */
  private isContinued = false;
  /** Steps of stacks that have ended here. */
  private endedSteps = 0;

  apply(event: SweepEvent): void {
    switch (event.event) {
      case "sweep_started":
        ({ name: this.name, steps: this.steps, trials: this.trainings, resumed: this.resumed } = event);
        ({ trialSteps: this.trialSteps, resumedSteps: this.resumedSteps, seed: this.seed } = event);
        this.best = event.best;
        this.isContinued = event.resumedSteps > 0;
        for (const rung of event.rungs ?? []) this.rungs.add(rung);
        return;
      case "stack_progress": {
        const losses = event.validationLosses.filter((loss) => loss !== null);
        const { from = 0, trainings = [] } = this.running.get(event.stack) ?? {};
        const { trials, step } = event;
        this.running.set(event.stack, {
          ...{ trials, step, from, validationLoss: losses.length > 0 ? lowest(losses) : null },
          trainings: evaluated(trainings, event),
        });
        return;
      }
      case "stack_resumed": {
        const { stack, trials, step } = event;
        // A worker that goes on after another has died counts no step twice.
        const { from = step, trainings = [] } = this.running.get(stack) ?? {};
        this.running.set(stack, { trials, step, from: Math.min(from, step), validationLoss: null, trainings });
        return;
      }
      case "rung_reached":
        this.rungs.add(event.trial.steps);
        return;
      case "trials_stopped":
        this.stoppedEarly += event.trials.length;
        return;
      case "trial_finished": {
        const ended = endedOf(event.trial);
        this.end(ended);
        const { id: trial, seed, status, validationLoss } = ended;
        // Those after a divergence are never made.
        this.resumedSteps += headedFor(ended, { seed: this.seed, rungs: this.rungs, end: this.steps }) - ended.steps;
        if (
          seed === this.seed &&
          status === "completed" &&
          validationLoss !== null &&
          (this.best === undefined || validationLoss < this.best.validationLoss)
        )
          this.best = { trial, validationLoss };
        return;
      }
      case "seed_added":
        this.trainings += event.trials.length;
        this.trialSteps += event.trials.length * this.steps;
        return;
      case "stack_finished":
        this.endedSteps += stepsOf(this.running.get(event.stack));
        this.running.delete(event.stack);
        return;
      case "stack_retried":
      case "stack_note":
      case "stack_halved":
        return;
      default:
        return event satisfies never;
    }
  }

  /** Takes in how a training ended, as an event or a journal tells it. */
  end(ended: Ended): void {
    this.ended.set(memberKey(ended), ended);
  }

  /** Steps that have been made in this process. */
  get freshSteps(): number {
    return this.endedSteps + [...this.running.values()].reduce((sum, stack) => sum + stepsOf(stack), 0);
  }

  /** Whether all that was made was made here. */
  get isWhole(): boolean {
    return this.trainings > 0 && this.resumed === 0 && !this.isContinued;
  }

  /** Steps that have been made at all. */
  get doneSteps(): number {
    return Math.min(this.trialSteps, this.resumedSteps + this.freshSteps);
  }

  /** How far it has come, so many seconds after its trainings began here. */
  pace(elapsed: number): Pace {
    const { freshSteps: fresh, doneSteps, trialSteps } = this;
    const since = this.madeBefore(elapsed, fresh);
    const rate = (fresh - since.steps) / (elapsed - since.elapsed);
    const isTelling = rate > 0 && elapsed > tellingSeconds;
    return {
      fraction: doneSteps / trialSteps,
      stepsPerSecond: isTelling ? rate : null,
      secondsLeft: isTelling ? (trialSteps - doneSteps) / rate : null,
    };
  }

  /** Notes the steps made by now, and gives those by the time that a rate is counted from. */
  private madeBefore(elapsed: number, steps: number): { readonly elapsed: number; readonly steps: number } {
    const { made } = this;
    if (elapsed >= (made.at(-1)?.elapsed ?? 0) + 1) made.push({ elapsed, steps });
    while (made.length > 2 && made[1].elapsed <= elapsed - rateSeconds) made.shift();
    return made[0];
  }

  /** How many trainings have ended how. */
  get counts(): Readonly<Record<TrialSummary["status"], number>> {
    const counts = { completed: 0, stopped: 0, untrained: 0, diverged: 0, failed: 0 };
    for (const { status } of this.ended.values()) counts[status]++;
    return counts;
  }
}

/** Trainings with what was evaluated since; a worker that goes on after another has died tells again what that one had told. */
function evaluated(
  before: readonly LiveTraining[],
  { trials, seeds, evaluations }: Extract<SweepEvent, { readonly event: "stack_progress" }>,
): readonly LiveTraining[] {
  if (evaluations.length === 0 && before.length === trials.length) return before;
  const curves = new Map(trials.map((id, lane) => [memberKey({ id, seed: seeds[lane] }), [] as LivePoint[]]));
  for (const { trial: id, seed, curve } of before) curves.get(memberKey({ id, seed }))?.push(...curve);
  for (const { trial: id, seed, step, validationLoss } of evaluations) {
    const curve = curves.get(memberKey({ id, seed })) ?? [];
    while ((curve.at(-1)?.step ?? -1) >= step) curve.pop();
    curve.push({ step, validationLoss });
  }
  return trials.map((trial, lane) => ({ trial, seed: seeds[lane], curve: curves.get(memberKey({ id: trial, seed: seeds[lane] })) ?? [] }));
}

const endedOf = ({ id, seed, status, validation_loss: validationLoss, steps }: TrialResult): Ended => ({
  ...{ id, seed, status, validationLoss, steps },
});
