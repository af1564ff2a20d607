/**
 * `npm run bench:calibration`: how often the intervals that sweeps and curves give hold what all seeds say, replayed on
 * tables of real trainings (bench/calibration/tables), beside the parabola that was used before; the same of importance,
 * and of the loss predicted for a target. Prints tables, writes bench/results/calibration.json. `--replays N`.
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { curveOptimum } from "../src/evidence/optimum.ts";
import { randomStream } from "../src/rng.ts";
import { bestLog2Rate } from "../src/search/analysis.ts";
import { bestRate } from "../src/search/optimum.ts";
import { mean } from "../src/statistics.ts";
import { cores } from "../src/engines/cores.ts";
import { importanceReplay } from "./calibration/importance.ts";
import { parabolaOfCurve, parabolaOfSweep } from "./calibration/parabola.ts";
import { predictions } from "./calibration/prediction.ts";
import { curveOf, sweepOf } from "./calibration/replays.ts";
import { readGrids } from "./calibration/tables.ts";
import { tieFactors, tieReplay } from "./calibration/ties.ts";
import { divergedNats, landscapeOf } from "./calibration/truth.ts";

const trialCounts = [8, 16, 24, 48];
const steps = [1, 0.5, 0.25];
const seedCounts = [2, 3, 5];

/** What was said of one replay, against the truth; in octaves. */
interface Said {
  readonly kind: "interval" | "one-sided" | "undetermined";
  readonly isRight: boolean;
  readonly width: number;
  readonly error: number;
}
interface Answer {
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly open?: "lower" | "upper" | null;
}

function said(answer: Answer | undefined, truth: number): Said {
  if (answer === undefined) return { kind: "undetermined", isRight: true, width: NaN, error: NaN };
  const { value, low, high, open } = answer;
  const isRight = (open === "lower" || truth >= low) && (open === "upper" || truth <= high);
  return { kind: open ? "one-sided" : "interval", isRight, width: high - low, error: value - truth };
}

interface Task {
  readonly grid: string;
  readonly use: "choice" | "report";
  readonly kind: "sweeps" | "curves" | "importance";
  readonly replays: number;
}
/** Answers of each estimator, by what they were given. */
type Outcome = Readonly<Record<string, Readonly<Partial<Record<"now" | "parabola", readonly Said[]>>>>>;

const importanceTrials = [16, 24, 48, 96];

function replayed({ grid: name, kind, replays }: Task): Outcome {
  const landscape = landscapeOf(readGrids().find((grid) => grid.name === name) ?? raise(name));
  const indices = Array.from({ length: replays }, (_, replay) => replay);
  if (kind === "sweeps")
    return Object.fromEntries(
      trialCounts.map((trials) => {
        const pairs = indices.map((replay) => {
          const { first, fresh, winner, truth } = sweepOf(landscape, trials, replay);
          const { space } = landscape.grid;
          return {
            now: said(bestLog2Rate(space, [...first, ...fresh], winner, replay), truth),
            parabola: said(parabolaOfSweep(space, first, replay), truth),
          };
        });
        return [`${trials} trials`, { now: pairs.map(({ now }) => now), parabola: pairs.map(({ parabola }) => parabola) }];
      }),
    );
  if (kind === "importance")
    return Object.fromEntries(
      importanceTrials.map((trials) => {
        const shares = indices.flatMap((replay) => importanceReplay(landscape, trials, replay));
        return [`${trials} trials`, { now: shares.map(({ isRight, width }) => ({ kind: "interval", isRight, width, error: NaN })) }];
      }),
    );
  return Object.fromEntries(
    steps.flatMap((step) =>
      seedCounts.flatMap((seeds) => {
        const pairs = indices.flatMap((replay) => {
          const curve = curveOf(landscape, step, seeds, replay);
          if (curve === undefined) return [];
          const { log2Rates, losses, truth } = curve;
          const whole = losses.map((each) => each.map((loss) => loss ?? divergedNats));
          return [{ now: said(curveOptimum(log2Rates, losses), truth), parabola: said(parabolaOfCurve(log2Rates, whole), truth) }];
        });
        return pairs.length === 0
          ? []
          : [[`${step} octaves, ${seeds} seeds`, { now: pairs.map(({ now }) => now), parabola: pairs.map(({ parabola }) => parabola) }]];
      }),
    ),
  );
}

function raise(name: string): never {
  throw new Error(`no grid ${name}`);
}

const rounded = (value: number, digits = 3): number | null => (Number.isFinite(value) ? Number(value.toFixed(digits)) : null);
const medianOf = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;

function summary(all: readonly Said[]): Readonly<Record<string, number | null>> {
  const intervals = all.filter(({ kind }) => kind === "interval");
  const oneSided = all.filter(({ kind }) => kind === "one-sided");
  const share = (some: readonly Said[], of: readonly Said[]): number => some.length / of.length;
  return {
    replays: all.length,
    covers: rounded(
      share(
        intervals.filter(({ isRight }) => isRight),
        intervals,
      ),
    ),
    one_sided: rounded(share(oneSided, all)),
    one_sided_right: rounded(
      share(
        oneSided.filter(({ isRight }) => isRight),
        oneSided,
      ),
    ),
    undetermined: rounded(
      share(
        all.filter(({ kind }) => kind === "undetermined"),
        all,
      ),
    ),
    median_width_octaves: rounded(medianOf(intervals.map(({ width }) => width)), 2),
    bias_octaves: rounded(mean(intervals.map(({ error }) => error)), 2),
    rms_error_octaves: rounded(Math.sqrt(mean(intervals.map(({ error }) => error ** 2))), 2),
  };
}

const percent = (share: number | null): string => (share === null ? "–" : `${(100 * share).toFixed(0)} %`);
function print(title: string, rows: readonly (readonly [string, string, Readonly<Record<string, number | null>>])[]): void {
  console.log(
    `\n${title}\n\n| given | estimator | covers | median width, octaves | bias | one-sided (right) | not determined |\n|---|---|---:|---:|---:|---:|---:|`,
  );
  for (const [given, estimator, each] of rows)
    console.log(
      `| ${given} | ${estimator} | ${percent(each["covers"])} | ${each["median_width_octaves"] ?? "–"} | ${each["bias_octaves"] ?? "–"} | ${percent(each["one_sided"])} (${percent(each["one_sided_right"])}) | ${percent(each["undetermined"])} |`,
    );
}

/** How often something is said of a curve that has no bottom, from trials evenly over six octaves. */
function flatSummary(trials: number, replays: number): { readonly intervals: number | null; readonly one_sided: number | null } {
  const answers = Array.from({ length: replays }, (_, replay) => {
    const stream = randomStream(replay, "flat");
    const losses = Array.from({ length: trials }, (_each, index) => ({
      log2Rate: -9 + (6 * index) / (trials - 1),
      others: [],
      loss: 2 + 0.01 * stream.normal(),
    }));
    return said(bestRate(losses, [], stream), NaN);
  });
  const shareOf = (kind: Said["kind"]): number | null => rounded(answers.filter((each) => each.kind === kind).length / replays);
  return { intervals: shareOf("interval"), one_sided: shareOf("one-sided") };
}

const inThread = (task: Task): Promise<Outcome> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: task });
    worker.once("message", resolve).once("error", reject);
  });

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { replays: { type: "string", default: "500" } } });
  const replays = Number(values.replays);
  const grids = readGrids();
  const kinds = ["sweeps", "curves", "importance"] as const;
  const hasMore = (space: Readonly<Record<string, { readonly values: readonly number[] }>>): boolean =>
    Object.values(space).filter(({ values: each }) => each.length > 1).length > 1;
  const tasks: readonly Task[] = kinds.flatMap((kind) =>
    grids.flatMap(({ name, use, space }) => (kind === "importance" && !hasMore(space) ? [] : [{ kind, grid: name, use, replays }])),
  );
  const outcomes: Outcome[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < tasks.length; index = next++) outcomes[index] = await inThread(tasks[index]);
  };
  await Promise.all(Array.from({ length: cores() }, work));
  const results: unknown[] = [];
  for (const kind of kinds)
    for (const use of ["choice", "report"] as const) {
      const rows: [string, string, Readonly<Record<string, number | null>>][] = [];
      const givens = [...new Set(outcomes.flatMap((outcome, index) => (tasks[index].kind === kind ? Object.keys(outcome) : [])))];
      for (const given of givens)
        for (const estimator of ["now", "parabola"] as const) {
          const parts = tasks.flatMap((task, index) => {
            const answers = outcomes[index][given]?.[estimator];
            return task.kind === kind && task.use === use && answers !== undefined ? [{ setting: task.grid, answers }] : [];
          });
          if (parts.length === 0) continue;
          const together = summary(parts.flatMap(({ answers }) => answers));
          rows.push([given, estimator, together]);
          results.push({
            ...{ of: kind, use, given, estimator, ...together },
            settings: Object.fromEntries(parts.map(({ setting, answers }) => [setting, summary(answers)])),
          });
        }
      print(`${kind}, settings that ${use === "choice" ? "the estimator was chosen on" : "it is reported on"}: nominal 90 %`, rows);
    }
  const flat = trialCounts.map((trials) => ({ trials, ...flatSummary(trials, replays) }));
  console.log("\nNoise around a flat curve, of which nothing can be said:\n");
  for (const { trials, intervals, one_sided: oneSided } of flat)
    console.log(`${trials} trials: an interval in ${percent(intervals)}, one end in ${percent(oneSided)}`);
  const ties = grids.flatMap((grid) => {
    const landscape = landscapeOf(grid);
    const costs = Array.from({ length: replays }, (_, replay) => tieReplay(landscape, replay)).filter((each) => each !== undefined);
    const nats = tieFactors.map((_, factor) => rounded(mean(costs.map((each) => each[factor])), 5));
    return costs.length === 0
      ? []
      : [{ setting: grid.name, ties: costs.length, factors: tieFactors.map(String), nats_above_best_mean: nats }];
  });
  console.log("\nTies given to the lowest rate within a factor of the best mean's, in nats above the best mean:\n");
  for (const { setting, ties: count, factors, nats_above_best_mean: nats } of ties)
    console.log(`${setting}, ${count} ties: ${nats.map((each, index) => `${factors[index]}: ${each ?? "–"}`).join(", ")}`);
  const predicted = predictions();
  console.log("\nPredicted loss of width 256 from 32, 64 and 128 (bench/results/curves.json), nominal 95 %:\n");
  for (const { parametrization, predictions: count, covers, mean_width_nats: width, mean_error_nats: error } of predicted)
    console.log(`${parametrization}: ${percent(covers)} of ${count}, mean width ${width.toFixed(3)} nats, mean error ${error.toFixed(3)}`);
  const output = {
    command: "npm run bench:calibration",
    node: process.version,
    replays_per_setting: replays,
    results,
    flat,
    ties,
    predicted,
  };
  const path = fileURLToPath(new URL("../../bench/results/calibration.json", import.meta.url));
  writeFileSync(path, `${JSON.stringify(output, null, 1)}\n`);
}

if (isMainThread) await main();
else parentPort?.postMessage(replayed(workerData as Task));
