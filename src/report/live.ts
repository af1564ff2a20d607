/** What is in training, as text: percent, time left and rate in one line, and each training's losses so far as a table. */
import { lossOf } from "../numbers.ts";
import type { LiveRun, LiveStack, LiveTraining } from "../studies/live.ts";
import type { Style } from "./style.ts";

/** Trainings of a stack, and evaluations of a training, that are shown. */
const [mostTrainings, mostEvaluations] = [12, 5];

/** Seconds as people say them: `40 s`, `12 min`, `3 h 5 min`, `2 d 4 h`. */
export function spanOf(seconds: number): string {
  if (seconds < 59.5) return `${Math.max(1, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (hours === 0) return `${minutes} min`;
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** `42 % done, about 3 h 5 min left, 1200 steps/s`: without time and rate where there is nobody who makes steps. */
export function paceText(fraction: number, live: Pick<LiveRun, "secondsLeft" | "stepsPerSecond"> | null): string {
  const { secondsLeft = null, stepsPerSecond = null } = live ?? {};
  return [
    `${Math.floor(fraction * 100)} % done`,
    ...(secondsLeft === null ? [] : [`about ${spanOf(secondsLeft)} left`]),
    ...(stepsPerSecond === null
      ? []
      : [`${stepsPerSecond < 10 ? Number(stepsPerSecond.toPrecision(2)) : Math.round(stepsPerSecond)} steps/s`]),
  ].join(", ");
}

const latest = ({ curve }: LiveTraining): number => curve.at(-1)?.validationLoss ?? Infinity;

/** A stack's trainings, the best first, with their losses after the last steps at which it was evaluated. */
function stackLines(
  { step, trainings }: LiveStack,
  nameOf: (training: LiveTraining) => string,
  steps: number | null,
  style: Style,
): readonly string[] {
  const shown = [...trainings].sort((a, b) => latest(a) - latest(b) || a.trial - b.trial).slice(0, mostTrainings);
  const at = [...new Set(shown.flatMap(({ curve }) => curve.slice(-mostEvaluations).map((point) => point.step)))]
    .sort((a, b) => a - b)
    .slice(-mostEvaluations);
  const rows = [
    ["loss after step", ...at.map(String)],
    ...shown.map((training) => {
      const known = new Map(
        training.curve.map((point) => [point.step, point.validationLoss === null ? "diverged" : lossOf(point.validationLoss)]),
      );
      return [nameOf(training), ...at.map((each) => known.get(each) ?? "")];
    }),
  ];
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const lines = rows.map((row) =>
    `  ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join("  ")}`.trimEnd(),
  );
  const more = trainings.length - shown.length;
  return [
    `in training: step ${step}${steps === null ? "" : ` of ${steps}`}`,
    ...(at.length === 0 ? [] : lines.map((line, index) => (index === 0 ? style.dim(line) : line))),
    ...(more > 0 ? [style.dim(`  … and ${more} more, with higher losses`)] : []),
  ];
}

/** Everything that is in training; `seed` is that of a sweep's first runs. */
export function liveLines({ besides, stacks }: LiveRun, seed: number | null, steps: number | null, style: Style): readonly string[] {
  const nameOf = ({ trial, seed: own }: LiveTraining): string => {
    if (besides !== undefined) return besides.kind === "target" ? "target" : `model ${trial + 1}`;
    return own === seed || seed === null ? `trial ${trial}` : `trial ${trial}, seed ${own}`;
  };
  return stacks.flatMap((stack) => stackLines(stack, nameOf, steps, style));
}
