/** Options and arguments that commands share, and how their values are read; commander tells what is wrong with one. */
import { Argument, InvalidArgumentError, Option } from "commander";
import { engineNames } from "../engines/engine.ts";
import { bounds } from "../spec/bounds.ts";
import type { Interval } from "../studies/setting.ts";

/** What is typed for a number is digits: JavaScript takes 0x50 and blanks for one as well. */
const [wholeNumber, realNumber] = [/^\d+$/, /^(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i];
const numberOf = (text: string, form: RegExp): number => (form.test(text) ? Number(text) : NaN);

/** A whole number of `least` to `most`. */
const upTo =
  (most: number, least = 1) =>
  (text: string): number => {
    const value = numberOf(text, wholeNumber);
    if (!(value >= least)) throw new InvalidArgumentError(`expected a whole number of at least ${least}.`);
    if (value > most) throw new InvalidArgumentError(`expected ${most} at most.`);
    return value;
  };
/** Reads the steps of a coordinate check. */
export const checkSteps = upTo(bounds.checkSteps);

/** `500` steps, `90s`, `10m`, `2h`, or `off`. */
function interval(text: string): Interval {
  const found = /^(\d+)([smh]?)$/.exec(text);
  if (text === "off") return {};
  if (found === null || Number(found[1]) < 1) throw new InvalidArgumentError("expected steps (500), a time (90s, 10m, 2h), or off.");
  const count = Number(found[1]);
  const seconds = { s: 1, m: 60, h: 3600 }[found[2] ?? ""];
  return seconds === undefined ? { steps: count } : { seconds: count * seconds };
}

/** Reads widths or depths that are parted by commas. */
export function sizes(text: string): readonly number[] {
  return text.split(/, */).map(upTo(bounds.width));
}

/** Reads a number above 0. */
export function positiveNumber(text: string): number {
  const value = numberOf(text, realNumber);
  if (!(value > 0 && value < Infinity)) throw new InvalidArgumentError("expected a number above 0.");
  return value;
}

/** Reads how many seeds a check has. */
export function seedCount(text: string): number {
  const value = upTo(bounds.seeds)(text);
  if (value < 2) throw new InvalidArgumentError("expected at least 2: one seed has no standard error.");
  return value;
}

/** Reads a trial's number, and puts it after the others. */
export function trialId(text: string, others: readonly number[] = []): readonly number[] {
  const id = numberOf(text, wholeNumber);
  if (!Number.isSafeInteger(id)) throw new InvalidArgumentError("expected the number of a trial.");
  return [...others, id];
}

export const config = new Argument("<config>", "sweep spec (YAML)");
export const out = new Option("--out <dir>", "run folder");
export const engine = new Option("--engine <name>", "compute engine; auto takes the fastest that runs here (default: auto)").choices([
  "auto",
  ...engineNames,
]);
export const jobs = new Option("--jobs <n>", "stacks trained at the same time (default: one per core, or per GPU)").argParser(
  upTo(bounds.jobs),
);
export const stack = new Option("--stack <n>", "trials per stack (default: what is timed to be fastest)").argParser(upTo(bounds.trials));
export const checkpoint = new Option(
  "--checkpoint <interval>",
  "how often unfinished training is kept: steps (500), a time (90s, 10m, 2h), or off",
)
  .argParser(interval)
  .default({ seconds: 300 }, "5m");
export const runFolder = new Argument("<dir>", "run folder");
export const quiet = new Option("-q, --quiet", "no progress on stderr");
export const verbose = new Option("-v, --verbose", "also print what was timed to choose engine and stacks");
export const events = new Option("--events <format>", "stream events to stdout instead of the table").choices(["ndjson"]).conflicts("json");
export const json = new Option("--json", "print the result as one JSON object");
export const port = new Option(
  "--port <n>",
  "where on this machine, 0 for any free port (default: 8377, or the next that is free)",
).argParser(upTo(65_535, 0));
export const width = new Option("--width <n>", "width instead of the spec's target").argParser(upTo(bounds.width));
