/**
 * A study's progress as lines of text: one repainting block for terminals, one plain line for
 * everything else, and the lines that stay. What has happened adds up in studies/progress.ts.
 */
import { duration, lossOf } from "../numbers.ts";
import type { Progress } from "../studies/progress.ts";
import type { SweepEvent } from "../sweep/events.ts";
import { statusWords, type Style } from "./style.ts";

const barWidth = 24;

/** A line that an event is worth, if it is; `progress` is what came before it. */
export function lineOf(event: SweepEvent, progress: Progress, style: Style): string | undefined {
  switch (event.event) {
    case "sweep_started":
      return event.resumed > 0 ? `continuing: ${event.resumed} of ${event.trials} trainings are in the journal already` : undefined;
    case "stack_retried":
      return style.red(`stack ${event.stack} is tried again (attempt ${event.attempt}): ${event.reason}`);
    case "stack_resumed":
      // Going on from a rung is no news.
      return progress.rungs.has(event.step)
        ? undefined
        : style.dim(`${stackName(progress, event.trials) || "the target: "}going on from step ${event.step}`);
    case "stack_note":
      return style.red(event.note);
    case "stack_halved":
      return style.red(
        `stack ${event.stack} of ${event.trials.length} does not fit the memory: going on with stacks of ${event.size} (${event.reason})`,
      );
    case "trial_finished": {
      const { id, status, reason } = event.trial;
      return status === "completed" ? undefined : style.red(`trial ${id} ${statusWords[status]}${reason ? `: ${reason}` : ""}`);
    }
    case "seed_added":
      return style.dim(
        `contenders cannot be told apart over ${event.seeds} fresh seeds: another one for ${event.trials.length === 1 ? "trial" : "trials"} ${event.trials.join(", ")}`,
      );
    case "stack_progress":
    case "rung_reached":
    case "trials_stopped":
    case "stack_finished":
      return undefined;
    default:
      return event satisfies never;
  }
}

function facts(progress: Progress, elapsed: number): { readonly fraction: number; readonly left: string; readonly rate: string } {
  const { fraction, stepsPerSecond, secondsLeft } = progress.pace(elapsed);
  return {
    fraction,
    left: secondsLeft === null ? "" : `${duration(secondsLeft)} left`,
    rate: stepsPerSecond === null ? "" : `${Math.round(stepsPerSecond)} steps/s`,
  };
}

/** A single model has nothing to count. */
const countOf = ({ trainings, resumed, ended, stoppedEarly }: Progress): string =>
  trainings === 1 ? "" : `${resumed + ended.size + stoppedEarly}/${trainings} trainings`;

function stackName({ trainings }: Progress, trials: readonly number[]): string {
  if (trainings === 1) return "";
  return trials.length === 1 ? `trial ${trials[0]}: ` : `trials ${trials[0]}–${trials.at(-1)}: `;
}

const bestSoFar = ({ best }: Progress): string => (best === undefined ? "" : `best ${lossOf(best.validationLoss)} (trial ${best.trial})`);

/** One line with everything that matters, `elapsed` seconds after the start. */
export function progressLine(progress: Progress, elapsed: number): string {
  const { fraction, left, rate } = facts(progress, elapsed);
  const parts = [`${Math.floor(fraction * 100)} %`, countOf(progress), rate, left, bestSoFar(progress)];
  return `${progress.name}: ${parts.filter((part) => part !== "").join(" · ")}`;
}

/** The block: overall bar, a line per running stack, the best so far. */
export function progressBlock(progress: Progress, elapsed: number, style: Style): readonly string[] {
  const { fraction, left, rate } = facts(progress, elapsed);
  const filled = Math.round(fraction * barWidth);
  const parts = [`${Math.floor(fraction * 100)} %`, countOf(progress), rate, left];
  return [
    `${style.bold(progress.name)} ${"█".repeat(filled)}${style.dim("░".repeat(barWidth - filled))} ${parts.filter((part) => part !== "").join(" · ")}`,
    ...[...progress.running.values()].map(
      ({ trials, step, validationLoss }) =>
        `  ${stackName(progress, trials)}step ${step}/${progress.steps}, validation loss ${lossOf(validationLoss)}`,
    ),
    ...(progress.best === undefined ? [] : [`  ${bestSoFar(progress)}`]),
  ];
}
