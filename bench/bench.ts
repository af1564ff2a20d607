/**
 * `npm run bench`: training throughput side by side with what a user would run
 * instead, in one run. Every contestant has one process per core; each width is
 * checked for equal losses before it is timed; contestants take turns, and what
 * counts is the median of the ratios of a round.
 *
 * Peers need Python with torch and jax: `MUTRANSFER_BENCH_PYTHON=venv/bin/python`. Stacks of several trials
 * can be contestants as well: `--peers "stack of 2,stack of 8"`.
 */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { availableParallelism, cpus } from "node:os";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { flopsPerStep } from "../src/model/config.ts";
import { batch, modelOf, widths } from "./work.ts";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "9" },
    seconds: { type: "string", default: "1.5" },
    widths: { type: "string" },
    peers: { type: "string", default: "torch.compile,torch eager,jax" },
  },
});
const python = process.env["MUTRANSFER_BENCH_PYTHON"] ?? "python3";
const cores = availableParallelism();
const pins = spawnSync("taskset", ["--version"]).status === 0;
/** Losses of the first steps may differ by float32 rounding, in nats. */
const lossTolerance = 2e-4;

const root = fileURLToPath(new URL("../../", import.meta.url));
const ours = (width: number, stack: number): readonly string[] => [
  process.execPath,
  fileURLToPath(new URL("./contestant.js", import.meta.url)),
  String(width),
  String(stack),
];
const commands: Readonly<Record<string, (width: number) => readonly string[]>> = {
  mutransfer: (width) => ours(width, 1),
  "stack of 2": (width) => ours(width, 2),
  "stack of 4": (width) => ours(width, 4),
  "stack of 8": (width) => ours(width, 8),
  "torch.compile": (width) => [python, `${root}bench/peers/torch_peer.py`, String(width), "compile"],
  "torch eager": (width) => [python, `${root}bench/peers/torch_peer.py`, String(width), "eager"],
  jax: (width) => [python, `${root}bench/peers/jax_peer.py`, String(width)],
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

  /** One process per core, each pinned where the system can pin. */
  static async start(name: string, command: readonly string[]): Promise<Contestant | string> {
    const processes = Array.from({ length: cores }, (_, core) => {
      const [file, ...args] = [...(pins ? ["taskset", "-c", String(core)] : []), ...command];
      const child = spawn(file, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, OMP_NUM_THREADS: "1" } });
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

function checkLosses(own: Contestant, peers: readonly Contestant[]): void {
  for (const peer of peers) {
    const worst = Math.max(...peer.losses.map((loss, step) => Math.abs(loss - own.losses[step])));
    if (!(worst < lossTolerance))
      throw new Error(
        `${peer.name} and mutransfer do not train the same model: losses ${peer.losses.join(" ")} against ${own.losses.join(" ")}`,
      );
  }
}

const peerNames = options.peers.split(",");
const chosen = options.widths?.split(",").map(Number) ?? widths;
console.error(
  `${cpus()[0]?.model.trim()}, ${cores} cores, Node ${process.version}; ${options.rounds} rounds of ${options.seconds} s per contestant, ${cores} processes each`,
);
const rows: string[][] = [];
for (const width of chosen) {
  const started = await Promise.all(
    ["mutransfer", ...peerNames].map(async (name) => Contestant.start(name, commands[name]?.(width) ?? [])),
  );
  for (const unknown of peerNames.filter((name) => !(name in commands))) throw new Error(`no contestant is called ${unknown}`);
  for (const missing of started.filter((each) => typeof each === "string")) console.error(`left out: ${missing}`);
  const contestants = started.filter((each) => typeof each !== "string");
  const [own, ...peers] = contestants as [Contestant, ...Contestant[]];
  checkLosses(own, peers);
  const times = new Map(contestants.map(({ name }) => [name, [] as number[]]));
  for (let round = 0; round < Number(options.rounds); round++)
    for (const contestant of contestants) times.get(contestant.name)?.push(await contestant.run(Number(options.seconds)));
  for (const contestant of contestants) contestant.stop();

  const flops = flopsPerStep(modelOf(width), batch);
  const ownTimes = times.get("mutransfer") as number[];
  const ratios = peers.map(({ name }) => ({
    name,
    ratio: median((times.get(name) as number[]).map((time, round) => time / ownTimes[round])),
  }));
  const nearest = ratios.length > 0 ? Math.min(...ratios.map(({ ratio }) => ratio)) : NaN;
  const cell = (name: string): string => {
    const each = times.get(name);
    return each === undefined ? "–" : `${(median(each) * 1000).toFixed(2)} (${((cores * flops) / median(each) / 1e9).toFixed(0)})`;
  };
  rows.push([String(width), ...["mutransfer", ...peerNames].map(cell), nearest.toFixed(2)]);
  console.error(`width ${width}: ${ratios.map(({ name, ratio }) => `${ratio.toFixed(2)}× ${name}`).join(", ")}`);
}
const head = ["width", ...["mutransfer", ...peerNames].map((name) => `${name}: ms per step (GFLOP/s)`), "× best peer"];
for (const row of [head, head.map(() => "---:"), ...rows]) console.log(`| ${row.join(" | ")} |`);
