/**
 * Where a step's time goes on a card, from what ncu measured of each launch (bench/profile-gpu.sh):
 * `node dist/bench/profile.js WORK FILE.csv` prints each kernel's share, the bytes that it moved, those
 * that it should have moved (floor.ts), and how fast. With no file it prints how many launches a step has.
 */
import { readFileSync } from "node:fs";
import { kernels } from "../src/engines/cuda/kernels.ts";
import { layout, type CudaKind } from "../src/engines/cuda/fields.ts";
import { planStep } from "../src/engines/cuda/step.ts";
import { cardLimits } from "../src/engines/cuda/target.ts";
import { LaneMemory } from "../src/engines/lowered/lane-memory.ts";
import { stepBytes } from "./floor.ts";
import { programOf } from "./ours.ts";
import { gpuProxy, type Work } from "./work.ts";

const [workText, path] = process.argv.slice(2);
const work: Work = { ...gpuProxy, width: 64, stack: 64, device: "cuda", ...(JSON.parse(workText) as Partial<Work>) };

function launchesOfStep(): number {
  const program = programOf(work);
  const lanes = Number(process.env["MUTRANSFER_CUDA_LANES"] ?? Infinity);
  const plan = planStep(program, new LaneMemory(program, layout), { ...cardLimits, lanes }, "train");
  const names = ["state", "workspace", "fleeting", "tokens", "targets", "order", "factor", "stepSize", "epsilonScale", "losses", "step"];
  const addresses = Object.fromEntries(names.map((name) => [name, 0n]));
  return plan.launches({ mode: "f32", fullGrid: 1 }, addresses).length;
}

/** Rows of ncu's `--csv --page raw`: a header, a line of units, then a line for each launch. */
function launchesIn(text: string): readonly ReadonlyMap<string, string>[] {
  const lines = text.split("\n").filter((line) => line.startsWith('"'));
  const [head, , ...rows] = lines.map((line) => [...line.matchAll(/"((?:[^"]|"")*)"/g)].map(([, field]) => field));
  return rows.map((fields) => new Map(head.map((name, index) => [name, fields[index]])));
}

interface Sum {
  launches: number;
  seconds: number;
  bytes: number;
  /** Sum over launches of the share of warps that are active, in percent, times the seconds. */
  warps: number;
}

function table(file: string): void {
  const sums = new Map<string, Sum>();
  for (const launch of launchesIn(readFileSync(file, "utf8"))) {
    const value = (metric: string): number => Number((launch.get(metric) ?? "NaN").replaceAll(",", ""));
    const name = (launch.get("Kernel Name") ?? "").replace(/_kernel\b.*/, "");
    const sum = sums.get(name) ?? { launches: 0, seconds: 0, bytes: 0, warps: 0 };
    const seconds = value("gpu__time_duration.sum") / 1e9;
    sum.launches++;
    sum.seconds += seconds;
    sum.bytes += value("dram__bytes.sum");
    sum.warps += seconds * value("sm__warps_active.avg.pct_of_peak_sustained_active");
    sums.set(name, sum);
    if (name === "advance") break; // the step's last
  }
  const total = [...sums.values()].reduce((all, { seconds }) => all + seconds, 0);
  const predicted = stepBytes(work);
  console.log(`${[...sums.values()].reduce((all, { launches }) => all + launches, 0)} launches, ${(1000 * total).toFixed(3)} ms`);
  console.log("| kernel | launches | µs | share | MB moved | TB/s | warps active |\n|---|---:|---:|---:|---:|---:|---:|");
  for (const [name, { launches, seconds, bytes, warps }] of [...sums].sort(([, a], [, b]) => b.seconds - a.seconds)) {
    const cells = [launches, (1e6 * seconds).toFixed(1), `${((100 * seconds) / total).toFixed(1)} %`, (bytes / 1e6).toFixed(1)];
    console.log(`| ${[name, ...cells, (bytes / seconds / 1e12).toFixed(2), `${(warps / seconds).toFixed(0)} %`].join(" | ")} |`);
  }
  console.log("| kind | µs | MB moved | MB foreseen |\n|---|---:|---:|---:|");
  for (const [kind, bytes] of predicted) {
    const of = [...sums].filter(([name]) => (kernels[name]?.kind as CudaKind | undefined) === kind).map(([, sum]) => sum);
    const sum = (key: "seconds" | "bytes"): number => of.reduce((all, each) => all + each[key], 0);
    console.log(
      `| ${kind} | ${(1e6 * sum("seconds")).toFixed(1)} | ${(sum("bytes") / 1e6).toFixed(1)} | ${((bytes * work.stack) / 1e6).toFixed(1)} |`,
    );
  }
}

if (path === undefined) console.log(launchesOfStep());
else table(path);
