/** The engine and arrangement that were chosen: one line with the reason, and the timings behind it. */
import type { Setup, Timed } from "../sweep/stacking.ts";
import { textTable } from "./ranking.ts";
import type { Style } from "./style.ts";

/** Trial-steps per second of an arrangement while all its workers are busy. */
const rateOf = ({ stackSize, jobs, secondsPerStep }: Timed): number => (stackSize * jobs) / secondsPerStep;
const isChosen = ({ engine, arrangement }: Setup, timed: Setup["timed"][number]): boolean =>
  timed.engine === engine &&
  timed.stackSize === arrangement.stackSize &&
  timed.jobs === arrangement.jobs &&
  timed.threads === arrangement.threads;

/** What everything runs on; `verbose` adds a row for each arrangement that was timed. */
export function renderSetup(setup: Setup, verbose: boolean, style: Style): string {
  const { engine, device, arrangement, timed } = setup;
  const chosen = timed.find((each) => isChosen(setup, each));
  const elsewhere = timed.filter((each) => each.engine !== engine);
  const [nearest] = elsewhere.sort((a, b) => a.secondsPerSweepStep - b.secondsPerSweepStep);
  const reason =
    nearest && chosen
      ? `, ${(nearest.secondsPerSweepStep / chosen.secondsPerSweepStep).toPrecision(2)}× as fast as ${nearest.engine} here`
      : "";
  const cores = arrangement.threads > 1 ? ` on ${arrangement.threads} cores` : "";
  const { stackSize, jobs } = arrangement;
  const what = stackSize === 1 ? (jobs === 1 ? "model" : "models") : `${jobs === 1 ? "stack" : "stacks"} of ${stackSize}`;
  const line = style.dim(`engine: ${engine} on ${device.name}${reason}; ${jobs} ${what} at a time${cores}`);
  return verbose ? `${line}\n${renderTimed(setup, style)}` : line;
}

export function renderTimed(setup: Setup, style: Style): string {
  const rows = setup.timed.map((each) => [
    each.engine,
    String(each.stackSize),
    String(each.jobs),
    String(each.threads),
    Number.isFinite(each.secondsPerStep) ? (each.secondsPerStep * 1000).toPrecision(3) : "out of memory",
    Number.isFinite(each.secondsPerStep) ? String(Math.round(rateOf(each))) : "–",
    isChosen(setup, each) ? "chosen" : "",
  ]);
  const head = ["engine", "stack", "at a time", "cores each", "ms per step", "trial-steps/s", ""];
  return textTable(head, rows, [false, true, true, true, true, true, false], style);
}
