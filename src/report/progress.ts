/**
 * A sweep's progress as lines of text: the state that events build up, one
 * repainting block for terminals, and one plain line for everything else.
 */
import type { SweepEvent } from "../sweep/sweep.ts";
import { duration, lossOf } from "./numbers.ts";
import type { Style } from "./style.ts";

interface RunningStack {
  readonly trials: readonly number[];
  /** Where it began. */
  readonly from: number;
  readonly step: number;
  readonly loss: number | null;
}

const barWidth = 24;

const stepsOf = (stack: RunningStack | undefined): number => (stack === undefined ? 0 : stack.trials.length * (stack.step - stack.from));

export class SweepProgress {
  private name = "";
  private steps = 1;
  private trials = 0;
  private resumed = 0;
  private trialSteps = 1;
  private resumedSteps = 0;
  /** Of stacks that have ended here. */
  private doneSteps = 0;
  /** Trainings that have ended, or got as far as a rung. */
  private readonly ended = new Set<string>();
  /** Steps at which stacks end to be put together anew: going on from there is no news. */
  private readonly rungs = new Set<number>();
  private readonly running = new Map<number, RunningStack>();
  private best: { readonly trial: number; readonly loss: number } | undefined;
  private readonly startedSeconds: number;

  constructor(nowSeconds: number) {
    this.startedSeconds = nowSeconds;
  }

  /** Takes an event in; returns a line that should stay on the screen, if it is worth one. */
  apply(event: SweepEvent, style: Style): string | undefined {
    switch (event.event) {
      case "sweep_started":
        ({ name: this.name, steps: this.steps, trials: this.trials, resumed: this.resumed } = event);
        ({ trialSteps: this.trialSteps, resumedSteps: this.resumedSteps } = event);
        return event.resumed > 0 ? `continuing: ${event.resumed} of ${event.trials} trials are in the journal already` : undefined;
      case "stack_progress": {
        const losses = event.validationLosses.filter((loss) => loss !== null);
        const { from = 0 } = this.running.get(event.stack) ?? {};
        this.running.set(event.stack, { ...event, from, loss: losses.length > 0 ? Math.min(...losses) : null });
        return undefined;
      }
      case "stack_retried":
        return style.red(`stack ${event.stack} is tried again (attempt ${event.attempt}): ${event.reason}`);
      case "stack_resumed": {
        this.running.set(event.stack, { ...event, from: event.step, loss: null });
        const isNews = !this.rungs.has(event.step);
        return isNews ? style.dim(`${this.stackName(event.trials) || "the target: "}going on from step ${event.step}`) : undefined;
      }
      case "stack_note":
        return style.red(event.note);
      case "stack_halved":
        return style.red(
          `stack ${event.stack} of ${event.trials.length} does not fit the memory: going on with stacks of ${event.size} (${event.reason})`,
        );
      case "rung_reached":
        this.rungs.add(event.trial.steps);
        this.ended.add(`${event.trial.id}/${event.trial.seed}`);
        return undefined;
      case "trial_finished": {
        const { id, seed, status, validation_loss: loss, reason, steps } = event.trial;
        this.ended.add(`${id}/${seed}`);
        this.doneSteps += this.steps - steps; // those after a divergence are never made
        if (loss !== null && (this.best === undefined || loss < this.best.loss)) this.best = { trial: id, loss };
        if (status === "completed") return undefined;
        return style.red(`trial ${id} ${status}${reason ? `: ${reason}` : ""}`);
      }
      case "stack_finished":
        this.doneSteps += stepsOf(this.running.get(event.stack));
        this.running.delete(event.stack);
        return undefined;
      default:
        return event satisfies never;
    }
  }

  private facts(nowSeconds: number): { readonly fraction: number; readonly left: string; readonly rate: string } {
    const elapsed = nowSeconds - this.startedSeconds;
    const fresh = this.doneSteps + [...this.running.values()].reduce((sum, stack) => sum + stepsOf(stack), 0);
    const done = Math.min(this.trialSteps, this.resumedSteps + fresh);
    const isTelling = fresh > 0 && elapsed > 0.5;
    return {
      fraction: done / this.trialSteps,
      left: isTelling ? `${duration((elapsed * (this.trialSteps - done)) / fresh)} left` : "",
      rate: isTelling ? `${Math.round(fresh / elapsed)} steps/s` : "",
    };
  }

  /** A single model has nothing to count. */
  private count(): string {
    return this.trials === 1 ? "" : `${this.resumed + this.ended.size}/${this.trials} trials`;
  }

  private stackName(trials: readonly number[]): string {
    if (this.trials === 1) return "";
    return trials.length === 1 ? `trial ${trials[0]}: ` : `trials ${trials[0]}–${trials.at(-1)}: `;
  }

  private bestSoFar(): string {
    return this.best === undefined ? "" : `best ${lossOf(this.best.loss)} (trial ${this.best.trial})`;
  }

  /** One line with everything that matters. */
  line(nowSeconds: number): string {
    const { fraction, left, rate } = this.facts(nowSeconds);
    const facts = [`${Math.floor(fraction * 100)} %`, this.count(), rate, left, this.bestSoFar()];
    return `${this.name}: ${facts.filter((fact) => fact !== "").join(" · ")}`;
  }

  /** The block: overall bar, a line per running stack, the best so far. */
  block(nowSeconds: number, style: Style): readonly string[] {
    const { fraction, left, rate } = this.facts(nowSeconds);
    const filled = Math.round(fraction * barWidth);
    const facts = [`${Math.floor(fraction * 100)} %`, this.count(), rate, left];
    return [
      `${style.bold(this.name)} ${"█".repeat(filled)}${style.dim("░".repeat(barWidth - filled))} ${facts.filter((fact) => fact !== "").join(" · ")}`,
      ...[...this.running.values()].map(
        ({ trials, step, loss }) => `  ${this.stackName(trials)}step ${step}/${this.steps}, validation loss ${lossOf(loss)}`,
      ),
      ...(this.best === undefined ? [] : [`  ${this.bestSoFar()}`]),
    ];
  }
}
