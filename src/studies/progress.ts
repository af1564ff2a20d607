/**
 * How far a study has come, as its events add up: the one reducer that the live display,
 * `status` and a page read. Numbers only; lines of text are report/progress.ts's business.
 */
import type { TrialSummary } from "../run/state.ts";
import type { TrialResult } from "../run/trial-result.ts";
import { memberKey, type Member } from "../run/trial.ts";
import type { SweepEvent } from "../sweep/events.ts";

/** A stack in training. */
export interface RunningStack {
  readonly trials: readonly number[];
  /** The step that it began with here. */
  readonly from: number;
  readonly step: number;
  /** The lowest of its trials' latest; null before the first. */
  readonly validationLoss: number | null;
}

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
  /** Trainings that have ended here, or got as far as a rung. */
  readonly ended = new Map<string, Ended>();
  /** The lowest loss of any training that has ended and learned. */
  best: { readonly trial: number; readonly validationLoss: number } | undefined;
  /** Steps at which stacks end to be put together anew. */
  readonly rungs = new Set<number>();
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
        ({ trialSteps: this.trialSteps, resumedSteps: this.resumedSteps } = event);
        this.best = event.best;
        this.isContinued = event.resumedSteps > 0;
        for (const rung of event.rungs ?? []) this.rungs.add(rung);
        return;
      case "stack_progress": {
        const losses = event.validationLosses.filter((loss) => loss !== null);
        const { from = 0 } = this.running.get(event.stack) ?? {};
        const { trials, step } = event;
        this.running.set(event.stack, { trials, step, from, validationLoss: losses.length > 0 ? Math.min(...losses) : null });
        return;
      }
      case "stack_resumed": {
        const { stack, trials, step } = event;
        const known = this.running.get(stack);
        // Steps up to a rung are counted with the trials that were there.
        const counted = Math.max(0, ...[...this.rungs].filter((rung) => rung <= step));
        if (known === undefined && step > counted) this.isContinued = true;
        if (known === undefined) this.resumedSteps += trials.length * (step - counted);
        this.running.set(stack, { trials, step, from: Math.min(known?.from ?? step, step), validationLoss: null });
        return;
      }
      case "rung_reached":
        this.rungs.add(event.trial.steps);
        return this.end(endedOf(event.trial));
      case "trial_finished": {
        const ended = endedOf(event.trial);
        this.end(ended);
        this.resumedSteps += this.steps - ended.steps; // those after a divergence are never made
        const { id: trial, status, validationLoss } = ended;
        if (status === "completed" && validationLoss !== null && (this.best === undefined || validationLoss < this.best.validationLoss))
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

  /** How many trainings have ended how. */
  get counts(): Readonly<Record<TrialSummary["status"], number>> {
    const counts = { completed: 0, stopped: 0, untrained: 0, diverged: 0, failed: 0 };
    for (const { status } of this.ended.values()) counts[status]++;
    return counts;
  }
}

const endedOf = ({ id, seed, status, validation_loss: validationLoss, steps }: TrialResult): Ended => ({
  ...{ id, seed, status, validationLoss, steps },
});
