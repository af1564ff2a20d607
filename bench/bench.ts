/**
 * `npm run bench`: training throughput side by side with what a user would run
 * instead, in one run. Every contestant has one process per core; each width is
 * checked for equal losses before it is timed; contestants take turns, and what
 * counts is the median of the ratios of a round.
 *
 * Peers need Python with torch and jax: `MUTRANSFER_BENCH_PYTHON=venv/bin/python`. Stacks of several trials
 * can be contestants as well: `--peers "onnxruntime;stack of 8"`.
 */
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { flopsPerStep } from "../src/model/counts.ts";
import { checkLosses, Contestant, contestant, cores, median, ours, peer, type Command } from "./contest.ts";
import { modelOf, productEdge, works } from "./work.ts";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "9" },
    seconds: { type: "string", default: "1.5" },
    works: { type: "string" },
    peers: { type: "string", default: "native, mixed;torch.compile;torch eager;jax" },
  },
});
/** Losses of the first steps may differ by rounding, in nats: float32's, or that of bfloat16 operands. */
const lossTolerance = (name: string): number => (name.includes("mixed") ? 3e-2 : 2e-4);

const commands: Readonly<Record<string, Command>> = {
  native: ours("native"),
  onnxruntime: ours("onnxruntime"),
  "native, mixed": ours("native", { precision: "mixed" }),
  "stack of 8": ours("native", { stack: 8 }),
  "matrix product": () => [process.execPath, contestant, "product"],
  "torch.compile": peer("torch_peer", "compile"),
  "torch eager": peer("torch_peer", "eager"),
  jax: peer("jax_peer"),
};

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
  const started = await Promise.all(names.map((each) => Contestant.start(each, commands[each], work)));
  for (const missing of started.filter((each) => typeof each === "string")) console.error(`left out: ${missing}`);
  const contestants = started.filter((each) => typeof each !== "string");
  const find = (wanted: string): Contestant | undefined => contestants.find((each) => each.name === wanted);
  const ownContestant = find(own);
  if (ownContestant === undefined) throw new Error("the native engine cannot be timed here");
  const peers = peerNames.flatMap((each) => find(each) ?? []);
  checkLosses(ownContestant, peers, lossTolerance);
  const times = new Map(contestants.map((each) => [each.name, [] as number[]]));
  for (let round = 0; round < Number(options.rounds); round++)
    for (const each of contestants) times.get(each.name)?.push(await each.run(Number(options.seconds)));
  for (const each of contestants) await each.stop();

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
