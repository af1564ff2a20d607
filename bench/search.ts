/**
 * `npm run bench:search`: every search method replayed many times on a table of trained cells
 * (bench/replay/table.json), beside Optuna's samplers on the same table where
 * MUTRANSFER_BENCH_PYTHON names a Python that has it; then long searches, early stopping against training
 * to the end, and confirmation of the best trials on all seeds. Prints tables, writes bench/results/search-replay.json.
 */
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { cores as usableCores } from "../src/engines/cores.ts";
import type { MethodName } from "../src/search/designers.ts";
import {
  confirmedRank,
  halved,
  halvedAsynchronously,
  landscapeOf,
  regretNats,
  replayedCells,
  rungsOf,
  type Landscape,
} from "./replay/replay.ts";
import { readTable, tablePath } from "./replay/table.ts";

const { values: options } = parseArgs({ options: { replays: { type: "string", default: "200" } } });
const replays = Number(options.replays);
const budgets = [8, 16, 32, 64];
const trials = Math.max(...budgets);
const methods: readonly MethodName[] = ["random", "sobol", "tpe", "gp"];
const batches = [4, 1];
/** Long searches, in batches as a sweep has them unless its spec says otherwise. */
const long = { budgets: [128, 256], batch: 8 };
/** Rank below which a cell is among the best 5 % of all. */
const bestShare = 0.05;

interface Task {
  readonly method: MethodName;
  readonly batch: number;
  readonly trials: number;
  readonly first: number;
  readonly count: number;
}
/** Cells tried, in order, for each replay. */
type Cells = readonly (readonly number[])[];

const table = readTable();
const landscape: Landscape = landscapeOf(table);
const objectiveOf = (replay: number): number => replay % table.seeds.length;

function replayed({ method, batch, trials, first, count }: Task): Cells {
  return Array.from({ length: count }, (_, index) =>
    replayedCells(landscape, method, { trials, batch, replay: first + index, objective: objectiveOf(first + index) }),
  );
}

const inThread = (task: Task): Promise<Cells> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: task });
    worker.once("message", resolve).once("error", reject);
  });
/** Replays of one method, shared out over the cores. */
async function cellsOf(task: Pick<Task, "method" | "batch" | "trials">): Promise<Cells> {
  return (await Promise.all(shares().map(([first, count]) => inThread({ ...task, first, count })))).flat();
}
/** First replay and number of replays for each core. */
function shares(): readonly (readonly [first: number, count: number])[] {
  const cores = usableCores();
  const bounds = Array.from({ length: cores + 1 }, (_, index) => Math.round((index * replays) / cores));
  return bounds.slice(1).map((end, index) => [bounds[index], end - bounds[index]]);
}

const quantile = (values: readonly number[], share: number): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
};
const rounded = (value: number, digits = 4): number => Number(value.toFixed(digits));
const quartiles = (values: readonly number[]): { q1: number; median: number; q3: number; mean: number } => ({
  q1: rounded(quantile(values, 0.25)),
  median: rounded(quantile(values, 0.5)),
  q3: rounded(quantile(values, 0.75)),
  mean: rounded(values.reduce((sum, value) => sum + value, 0) / values.length),
});
const show = ({ q1, median, q3, mean }: ReturnType<typeof quartiles>): string =>
  `${median.toFixed(4)} (${q1.toFixed(4)}–${q3.toFixed(4)}; ${mean.toFixed(4)})`;

/** Quartiles of the regret after each of some numbers of trials. */
const regretsOf = (cells: Cells, budgets: readonly number[]): Readonly<Record<string, ReturnType<typeof quartiles>>> =>
  Object.fromEntries(
    budgets.map((budget) => [
      budget,
      quartiles(cells.map((each, replay) => regretNats(landscape, each.slice(0, budget), objectiveOf(replay)))),
    ]),
  );

function print(head: readonly string[], rows: readonly (readonly string[])[]): void {
  for (const row of [head, head.map(() => "---:"), ...rows]) console.log(`| ${row.join(" | ")} |`);
  console.log("");
}

interface PeerResult {
  readonly version: string;
  readonly cells: Readonly<Record<string, Cells>>;
}
async function optuna(batch: number): Promise<PeerResult | undefined> {
  const python = process.env["MUTRANSFER_BENCH_PYTHON"];
  if (python === undefined) return undefined;
  const script = fileURLToPath(new URL("../../bench/peers/optuna_peer.py", import.meta.url));
  const parts = await Promise.all(
    shares().map(async ([first, count]) => {
      const { stdout } = await promisify(execFile)(python, [script, tablePath, ...[trials, batch, first, count].map(String)], {
        maxBuffer: 2 ** 28,
      });
      return JSON.parse(stdout) as PeerResult;
    }),
  );
  const [{ version, cells }] = parts;
  return { version, cells: Object.fromEntries(Object.keys(cells).map((name) => [name, parts.flatMap((part) => part.cells[name])])) };
}

async function main(): Promise<void> {
  const results: Record<string, unknown>[] = [];
  const versions: Record<string, string> = { node: process.version };
  /** Replays in batches of the first size: what early stopping and confirmation are tried on. */
  const kept = new Map<string, Cells>();
  for (const batch of batches) {
    const cells = new Map<string, Cells>();
    for (const method of methods) cells.set(method, await cellsOf({ method, batch, trials }));
    const peer = await optuna(batch);
    if (peer === undefined) console.error("left out: Optuna (set MUTRANSFER_BENCH_PYTHON)");
    else versions["optuna"] = peer.version;
    for (const [name, each] of Object.entries(peer?.cells ?? {})) cells.set(name, each);
    const rows = [...cells].map(([method, each]) => {
      const summary = regretsOf(each, budgets);
      results.push({ method, batch, regret_nats: summary });
      return [method, ...budgets.map((budget) => show(summary[budget]))];
    });
    console.log(`Regret in nats, median (quartiles; mean) of ${replays} replays, ${batch} at a time:\n`);
    print(["method", ...budgets.map((budget) => `${budget} trials`)], rows);
    if (batch === batches[0]) for (const method of methods) kept.set(method, cells.get(method) ?? []);
  }

  const longRuns: Record<string, unknown>[] = [];
  const longRows: (readonly string[])[] = [];
  for (const method of methods) {
    const cells = await cellsOf({ method, batch: long.batch, trials: Math.max(...long.budgets) });
    const summary = regretsOf(cells, long.budgets);
    longRuns.push({ method, batch: long.batch, regret_nats: summary });
    longRows.push([method, ...long.budgets.map((budget) => show(summary[budget]))]);
  }
  console.log(`Long searches, ${long.batch} at a time:\n`);
  print(["method", ...long.budgets.map((budget) => `${budget} trials`)], longRows);

  const early: Record<string, unknown>[] = [];
  const stopping = [2, 3, 4].flatMap((eta) =>
    (eta === 4 ? [3, 2] : [6 - eta]).flatMap((rungs) =>
      (["synchronous", "asynchronous"] as const).map((kind) => ({ eta, rungs: rungsOf(table, eta, rungs), kind })),
    ),
  );
  const earlyRows = stopping.flatMap(({ eta, rungs, kind }) =>
    budgets.slice(1).map((budget) => {
      const cells = (kept.get("sobol") ?? []).map((each) => each.slice(0, budget));
      const full = cells.map((each, replay) => regretNats(landscape, each, objectiveOf(replay)));
      const stopped = cells.map((each, replay) => {
        const objective = objectiveOf(replay);
        return kind === "synchronous"
          ? halved(landscape, each, objective, eta, rungs)
          : halvedAsynchronously(landscape, each, { objective, eta, rungs, replay });
      });
      const summary = {
        eta,
        kind,
        rungs_steps: rungs.map((rung) => table.checkpoints[rung]),
        trials: budget,
        steps_share: rounded(stopped.reduce((sum, { stepsShare }) => sum + stepsShare, 0) / stopped.length, 3),
        regret_nats: quartiles(stopped.map((each) => each.regretNats)),
        regret_full_nats: quartiles(full),
        same_choice_share: rounded(stopped.filter((each, replay) => each.regretNats === full[replay]).length / stopped.length, 3),
      };
      early.push(summary);
      return [
        `${kind}, eta ${eta}, rungs ${summary.rungs_steps.join(" ")}`,
        String(budget),
        `${(100 * summary.steps_share).toFixed(0)} %`,
        show(summary.regret_nats),
        show(summary.regret_full_nats),
        `${(100 * summary.same_choice_share).toFixed(0)} %`,
      ];
    }),
  );
  console.log("Early stopping of Sobol' points:\n");
  print(["halving", "trials", "steps", "regret", "regret, all to the end", "same choice"], earlyRows);

  const confirmation: Record<string, unknown>[] = [];
  const confirmationRows = methods.map((method) => {
    const shares = budgets.map((budget) => {
      const cells = kept.get(method) ?? [];
      const inBest = cells.filter(
        (each, replay) => confirmedRank(landscape, each.slice(0, budget), objectiveOf(replay)) < bestShare * landscape.ranks.length,
      );
      return rounded(inBest.length / cells.length, 3);
    });
    confirmation.push({ method, share_in_best_5_percent: Object.fromEntries(budgets.map((budget, index) => [budget, shares[index]])) });
    return [method, ...shares.map((share) => `${(100 * share).toFixed(1)} %`)];
  });
  console.log("Confirmed winner among the best 5 % of all cells:\n");
  print(["method", ...budgets.map((budget) => `${budget} trials`)], confirmationRows);

  const output = {
    command: "MUTRANSFER_BENCH_PYTHON=venv/bin/python npm run bench:search",
    versions,
    replays,
    cells: landscape.ranks.length,
    best_mean_nats: rounded(Math.min(...landscape.meansNats)),
    results,
    long_searches: longRuns,
    early_stopping: early,
    confirmation,
  };
  writeFileSync(fileURLToPath(new URL("../../bench/results/search-replay.json", import.meta.url)), `${JSON.stringify(output, null, 2)}\n`);
}

if (isMainThread) await main();
else parentPort?.postMessage(replayed(workerData as Task));
