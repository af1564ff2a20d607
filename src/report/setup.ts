/** The engine and arrangement that were chosen: one line with the reason, and the timings behind it. */
import type { Setup, Timed } from "../placement/arrangements.ts";
import type { Style } from "./style.ts";
import { textTable } from "./text-table.ts";

/** Trial-steps per second of an arrangement while all its workers are busy. */
const rateOf = ({ stackSize, jobs, secondsPerStep }: Timed): number => (stackSize * jobs) / secondsPerStep;
/** In three digits, or as many as there are before the point. */
const shortOf = (value: number): string => String(value < 100 ? Number(value.toPrecision(3)) : Math.round(value));

/** Says what everything runs on; `verbose` adds a row for each arrangement that was timed. */
export function renderSetup(setup: Setup, verbose: boolean, style: Style): string {
  const { engine, device, arrangement, reason } = setup;
  const { stackSize, jobs, threads } = arrangement;
  const what = stackSize === 1 ? (jobs === 1 ? "model" : "models") : `${jobs === 1 ? "stack" : "stacks"} of ${stackSize}`;
  const cores = threads > 1 ? ` on ${threads} cores` : "";
  const line = style.dim(`engine: ${engine} on ${device.name} (${reason}); ${jobs} ${what} at a time${cores}`);
  return verbose && setup.timed.length > 0 ? `${line}\n${renderTimed(setup, style)}` : line;
}

/** A row for each arrangement that was timed, the chosen one marked. */
export function renderTimed({ engine, arrangement, timed }: Setup, style: Style): string {
  const isChosen = (each: Timed & { readonly engine: string }): boolean =>
    each.engine === engine &&
    each.stackSize === arrangement.stackSize &&
    each.jobs === arrangement.jobs &&
    each.threads === arrangement.threads;
  const rows = timed.map((each) => [
    each.engine,
    String(each.stackSize),
    String(each.jobs),
    String(each.threads),
    shortOf(each.secondsPerStep * 1000),
    shortOf(rateOf(each)),
    isChosen(each) ? "chosen" : "",
  ]);
  const head = ["engine", "stack", "at a time", "cores", "ms/step", "steps/s", ""];
  return textTable(head, rows, [false, true, true, true, true, true, false], style, {
    drop: ["cores", "at a time", "steps/s"],
    elsewhere: "--json",
  });
}
