/**
 * `npm run bench:gpu`: what stacking gains. For each width and stack size, milliseconds per
 * stacked step and per model, GFLOP/s, and the share of the device's matrix-product rate, for each
 * engine beside PyTorch (one model at a time) and JAX (vmap + jit + scan) on the same device. Every
 * contestant's losses are checked before it is timed. Writes the raw figures to bench/results/.
 *
 * On a machine without a GPU the CPU engines run, so that the harness itself is always tried.
 * Peers need Python with torch and jax: `MUTRANSFER_BENCH_PYTHON=venv/bin/python`.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { engineHost } from "../src/cli/cache.ts";
import { nvidiaGpus, vulkanDevices } from "../src/engines/gpus.ts";
import { engines } from "../src/engines/registry.ts";
import { flopsPerStep } from "../src/model/config.ts";
import { checkLosses, Contestant, contestant as contestantFile, cores, median, ours, peer, type Command } from "./contest.ts";
import { gpuProxy, modelOf, productEdge, type Work } from "./work.ts";

const [nvidia] = nvidiaGpus(process.env);
const vulkan = (await vulkanDevices()).find(({ isGpu }) => isGpu);
const isGpu = nvidia !== undefined || vulkan !== undefined;
const { values: options } = parseArgs({
  options: {
    widths: { type: "string", default: "64,128,256,512" },
    stacks: { type: "string", default: isGpu ? "1,4,16,64,128" : "1,4" },
    contestants: {
      type: "string",
      default: isGpu ? "cuda;tfjs;webgpu;torch eager;torch.compile;jax" : "native;onnxruntime;torch eager;torch.compile;jax",
    },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "1" },
    out: { type: "string", default: "bench/results" },
  },
});
const numbers = (text: string): readonly number[] => text.split(",").map(Number);
const device = nvidia === undefined ? "cpu" : "cuda";
const deviceName = nvidia?.name ?? vulkan?.name ?? `${cpus()[0]?.model.trim()}, ${cores} cores`;

/** Contestants by name; peers that cannot stack are timed once for each width. */
const commands: Readonly<Record<string, { readonly command: Command; readonly stacks: boolean; readonly reduced?: true }>> = {
  cuda: { command: ours("cuda"), stacks: true },
  "cuda, mixed": { command: ours("cuda", { precision: "mixed" }), stacks: true, reduced: true },
  tfjs: { command: ours("tfjs"), stacks: true },
  "tfjs, eager": { command: ours("tfjs", { mode: "eager" }), stacks: true },
  "tfjs, mixed": { command: ours("tfjs", { precision: "mixed" }), stacks: true, reduced: true },
  webgpu: { command: ours("webgpu"), stacks: true },
  native: { command: ours("native"), stacks: true },
  onnxruntime: { command: ours("onnxruntime"), stacks: true },
  "torch eager": { command: peer("torch_peer", "eager"), stacks: false },
  "torch.compile": { command: peer("torch_peer", "compile"), stacks: false },
  "torch.compile, TF32": { command: peer("torch_peer", "compile", "high"), stacks: false, reduced: true },
  jax: { command: peer("jax_peer"), stacks: true },
  "jax, TF32": { command: peer("jax_peer", "tensorfloat32"), stacks: true, reduced: true },
};
/** Losses of the first steps may differ by rounding, in nats: float32's, or that of reduced operands. */
const tolerance = (name: string): number => (commands[name].reduced ? 3e-2 : 5e-4);
const environmentOf = (name: string): Readonly<Record<string, string>> => {
  const engine = (Object.keys(engines) as (keyof typeof engines)[]).find((each) => name.startsWith(each));
  return engine === undefined ? {} : (engines[engine].workers(engineHost(), commands[name].reduced ? "mixed" : "float32")[0] ?? {});
};

interface Row {
  readonly contestant: string;
  readonly width: number;
  readonly stack: number;
  readonly ms_per_step?: number;
  readonly ms_per_model?: number;
  readonly gflops?: number;
  readonly peak_share?: number;
  readonly losses?: readonly number[];
  readonly left_out?: string;
}

async function timeOne(contestant: Contestant): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < Number(options.rounds); round++) times.push(await contestant.run(Number(options.seconds)));
  return median(times);
}

const base: Work = { ...gpuProxy, width: 64, stack: 1, device };
/** FLOP/s of matrix products, as fast as this device is known to do them: PyTorch's large ones on a GPU, our own on a CPU. */
async function measurePeak(...precision: readonly string[]): Promise<number | undefined> {
  if (isGpu && nvidia === undefined) return undefined; // PyTorch has no way to it
  const onCpu = device === "cpu";
  const command: Command = onCpu ? () => [process.execPath, contestantFile, "product"] : peer("product_peer", ...precision);
  const started = await Contestant.start("product", command, { ...base, whole_machine: !onCpu });
  if (typeof started === "string") return undefined;
  const seconds = await timeOne(started);
  started.stop();
  return onCpu ? (cores * 2 * productEdge ** 3) / seconds : (2 * started.losses[0] ** 3) / seconds;
}

const names = options.contestants.split(";");
const unknown = names.filter((name) => !(name in commands));
if (unknown.length > 0) {
  console.error(`no contestant is called ${unknown.join(", ")}; there are ${Object.keys(commands).join(", ")}`);
  process.exit(2);
}
const peak = await measurePeak();
const reducedPeak = await measurePeak("high");
console.error(`${deviceName}; matrix products: ${peak ? `${(peak / 1e12).toFixed(2)} TFLOP/s` : "not measured"}`);

/** Trains one contestant for a while, once its losses are those of the others. */
async function timeCell(name: string, work: Work, references: Map<number, Contestant>): Promise<Row> {
  const { width, stack } = work;
  const { command, reduced } = commands[name];
  const contestant = await Contestant.start(name, command, work, environmentOf(name));
  if (typeof contestant === "string") return { contestant: name, width, stack, left_out: contestant };
  try {
    const reference = references.get(width) ?? contestant;
    references.set(width, reference);
    checkLosses(reference, [contestant], tolerance);
    const seconds = await timeOne(contestant);
    const rate = flopsPerStep(modelOf(work), work.batch) / seconds;
    const most = reduced ? reducedPeak : peak;
    return {
      ...{ contestant: name, width, stack, ms_per_step: 1000 * seconds * stack, ms_per_model: 1000 * seconds },
      ...{ gflops: rate / 1e9, ...(most !== undefined && { peak_share: rate / most }), losses: contestant.losses },
    };
  } catch (error) {
    return { contestant: name, width, stack, left_out: (error as Error).message };
  } finally {
    contestant.stop();
  }
}

const rows: Row[] = [];
mkdirSync(options.out, { recursive: true });
const path = join(options.out, `${deviceName.toLowerCase().replace(/[^a-z0-9]+/g, "-")}.json`);
/** After each row: what was measured is not lost with what comes after it. */
function write(): void {
  const report = {
    device: deviceName,
    driver: nvidia?.driver ?? null,
    node: process.version,
    work: { ...gpuProxy },
    rounds: Number(options.rounds),
    seconds: Number(options.seconds),
    matrix_product_tflops: peak === undefined ? null : peak / 1e12,
    reduced_matrix_product_tflops: reducedPeak === undefined ? null : reducedPeak / 1e12,
    rows,
  };
  writeFileSync(path, `${JSON.stringify(report, null, 1)}\n`);
}

const references = new Map<number, Contestant>();
for (const width of numbers(options.widths))
  for (const stack of numbers(options.stacks))
    for (const name of names.filter((each) => commands[each].stacks || stack === 1)) {
      const row = await timeCell(name, { ...base, width, stack }, references);
      rows.push(row);
      write();
      const share = row.peak_share === undefined ? "" : `, ${(100 * row.peak_share).toFixed(1)} % of a product's rate`;
      console.error(
        row.left_out === undefined
          ? `width ${width}, stack ${stack}, ${name}: ${row.ms_per_step?.toPrecision(3)} ms per step, ${row.ms_per_model?.toPrecision(3)} per model, ${row.gflops?.toFixed(0)} GFLOP/s${share}`
          : `left out: width ${width}, stack ${stack}, ${row.left_out}`,
      );
    }
console.error(`wrote ${path}`);

const head = ["width", "stack", ...names.map((name) => `${name}: ms per model (GFLOP/s)`)];
console.log(`| ${head.join(" | ")} |\n|${head.map(() => "---:").join("|")}|`);
for (const width of numbers(options.widths))
  for (const stack of numbers(options.stacks)) {
    const cells = names.map((name) => {
      const row = rows.find((each) => each.contestant === name && each.width === width && each.stack === stack);
      return row?.ms_per_model === undefined ? "–" : `${row.ms_per_model.toPrecision(3)} (${row.gflops?.toFixed(0)})`;
    });
    console.log(`| ${[width, stack, ...cells].join(" | ")} |`);
  }
