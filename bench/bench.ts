/**
 * `npm run bench`: training throughput side by side with what a user would run
 * instead, in one run. Every contestant has one process per core; each width is
 * checked for equal losses before it is timed; contestants take turns, and what
 * counts is the median of the ratios of a round.
 *
 * Peers need Python with torch and jax: `MUTRANSFER_BENCH_PYTHON=venv/bin/python`. Stacks of several trials
 * can be contestants as well: `--peers "onnxruntime;stack of 8"`.
 */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { availableParallelism, cpus } from "node:os";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { flopsPerStep } from "../src/model/config.ts";
import type { EngineName, Precision } from "../src/engines/engine.ts";
import { modelOf, productEdge, works, type Work } from "./work.ts";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "9" },
    seconds: { type: "string", default: "1.5" },
    works: { type: "string" },
    peers: { type: "string", default: "native, mixed;torch.compile;torch eager;jax" },
  },
});
const python = process.env["MUTRANSFER_BENCH_PYTHON"] ?? "python3";
const cores = availableParallelism();
const pins = spawnSync("taskset", ["--version"]).status === 0;
/** Losses of the first steps may differ by rounding, in nats: float32's, or that of bfloat16 operands. */
const lossTolerance = (name: string): number => (name.includes("mixed") ? 3e-2 : 2e-4);

const root = fileURLToPath(new URL("../../", import.meta.url));
const contestant = fileURLToPath(new URL("./contestant.js", import.meta.url));
const ours =
  (engine: EngineName, options: { readonly stack?: number; readonly precision?: Precision } = {}) =>
  (work: Work, threads: number): readonly string[] => [
    ...[process.execPath, contestant, JSON.stringify(work), engine],
    ...[String(options.stack ?? 1), String(threads), options.precision ?? "float32"],
  ];
const peer =
  (script: string, ...args: readonly string[]) =>
  (work: Work, threads: number): readonly string[] => [
    python,
    `${root}bench/peers/${script}.py`,
    JSON.stringify(work),
    String(threads),
    ...args,
  ];
const commands: Readonly<Record<string, (work: Work, threads: number) => readonly string[]>> = {
  native: ours("native"),
  onnxruntime: ours("onnxruntime"),
  "native, mixed": ours("native", { precision: "mixed" }),
  "stack of 8": ours("native", { stack: 8 }),
  "matrix product": () => [process.execPath, contestant, "product"],
  "torch.compile": peer("torch_peer", "compile"),
  "torch eager": peer("torch_peer", "eager"),
  jax: peer("jax_peer"),
};

class Contestant {
  readonly name: string;
  readonly losses: readonly number[];
  private readonly processes: readonly {
    readonly child: ChildProcess;
    readonly lines: AsyncIterator<string>;
    readonly reader: Interface;
  }[];

  private constructor(name: string, losses: readonly number[], processes: Contestant["processes"]) {
    this.name = name;
    this.losses = losses;
    this.processes = processes;
  }

  /** One process per core, each pinned where the system can pin; or one process for all cores. */
  static async start(name: string, work: Work): Promise<Contestant | string> {
    const threads = work.whole_machine ? cores : 1;
    const processes = Array.from({ length: cores / threads }, (_, core) => {
      const pin = pins && !work.whole_machine ? ["taskset", "-c", String(core)] : [];
      const [file, ...args] = [...pin, ...(commands[name]?.(work, threads) ?? [])];
      const child = spawn(file, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, OMP_NUM_THREADS: String(threads) } });
      const reader = createInterface({ input: child.stdout });
      let words = "";
      child.stderr.setEncoding("utf8").on("data", (text: string) => (words += text));
      child.stdin.on("error", () => undefined);
      return { child, reader, lines: reader[Symbol.asyncIterator](), words: () => words };
    });
    let losses: readonly number[] = [];
    for (const { lines, words } of processes) {
      const line = await lines.next();
      if (line.done) return `${name}: ${words().trim().split("\n").at(-1) ?? "ended"}`;
      ({ losses } = JSON.parse(line.value) as { losses: readonly number[] });
    }
    return new Contestant(name, losses, processes);
  }

  /** Seconds per step of one process while all train at once: the mean over processes. */
  async run(seconds: number): Promise<number> {
    for (const { child } of this.processes) child.stdin?.write(`${seconds}\n`);
    const times = await Promise.all(
      this.processes.map(
        async ({ lines }) => (JSON.parse((await lines.next()).value as string) as { seconds_per_step: number }).seconds_per_step,
      ),
    );
    return times.reduce((a, b) => a + b) / times.length;
  }

  stop(): void {
    for (const { child, reader } of this.processes) {
      reader.close();
      child.kill();
    }
  }
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** Refuses to time what is wrong: every contestant must report the same losses. */
function checkLosses(own: Contestant, others: readonly Contestant[]): void {
  for (const other of others) {
    const worst = Math.max(...other.losses.map((loss, step) => Math.abs(loss - own.losses[step])));
    if (!(worst < lossTolerance(other.name)))
      throw new Error(
        `${other.name} and ${own.name} do not train the same model: losses ${other.losses.join(" ")} against ${own.losses.join(" ")}`,
      );
  }
}

const own = "native";
const yardstick = "matrix product";
/** What a user would run instead; the other contestants are variants of ours. */
const foreign = /torch|jax/;
const peerNames = options.peers.split(";");
for (const unknown of peerNames.filter((name) => !(name in commands))) throw new Error(`no contestant is called ${unknown}`);
const chosen = options.works?.split(";") ?? Object.keys(works);
console.error(
  `${cpus()[0]?.model.trim()}, ${cores} cores, Node ${process.version}; ${options.rounds} rounds of ${options.seconds} s per contestant, all cores busy`,
);

const rows: string[][] = [];
for (const name of chosen) {
  const work = works[name];
  if (work === undefined) throw new Error(`no work is called ${name}`);
  const names = [own, ...peerNames, ...(work.whole_machine ? [] : [yardstick])];
  const started = await Promise.all(names.map((each) => Contestant.start(each, work)));
  for (const missing of started.filter((each) => typeof each === "string")) console.error(`left out: ${missing}`);
  const contestants = started.filter((each) => typeof each !== "string");
  const find = (wanted: string): Contestant | undefined => contestants.find((each) => each.name === wanted);
  const ownContestant = find(own);
  if (ownContestant === undefined) throw new Error("the native engine cannot be timed here");
  const peers = peerNames.flatMap((each) => find(each) ?? []);
  checkLosses(ownContestant, peers);
  const times = new Map(contestants.map((each) => [each.name, [] as number[]]));
  for (let round = 0; round < Number(options.rounds); round++)
    for (const each of contestants) times.get(each.name)?.push(await each.run(Number(options.seconds)));
  for (const each of contestants) each.stop();

  const flops = flopsPerStep(modelOf(work), work.batch);
  const processes = work.whole_machine ? 1 : cores;
  const rate = (seconds: number): number => (processes * flops) / seconds / 1e9;
  const timesOf = (each: string): readonly number[] => times.get(each) ?? [];
  /** Median over rounds of what `other` takes for each second of ours. */
  const ratioTo = (other: string): number => median(timesOf(other).map((time, round) => time / timesOf(own)[round]));
  const ratios = peers.flatMap((each) => (foreign.test(each.name) ? ratioTo(each.name) : []));
  const share = median(
    timesOf(yardstick).map((time, round) => rate(timesOf(own)[round]) / ((processes * 2 * productEdge ** 3) / time / 1e9)),
  );
  const cell = (each: string): string => {
    const seconds = median(timesOf(each));
    return timesOf(each).length === 0 ? "–" : `${(seconds * 1000).toPrecision(3)} (${rate(seconds).toFixed(0)})`;
  };
  rows.push([
    name,
    ...[own, ...peerNames].map(cell),
    ratios.length > 0 ? Math.min(...ratios).toFixed(2) : "–",
    timesOf(yardstick).length > 0 ? `${(100 * share).toFixed(0)} %` : "–",
  ]);
  console.error(rows.at(-1)?.join("  "));
}
const head = ["model", ...[own, ...peerNames].map((name) => `${name}: ms per step (GFLOP/s)`), "× best peer", "of a matrix product's rate"];
for (const row of [head, head.map(() => "---:"), ...rows]) console.log(`| ${row.join(" | ")} |`);
