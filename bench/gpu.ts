/**
 * `npm run bench:gpu`: what stacking gains. For each width and stack size, milliseconds per
 * stacked step and per model, GFLOP/s, and the shares of the device's matrix-product rate and of
 * the floor (floor.ts), for each engine beside PyTorch (one model at a time) and JAX (vmap + jit +
 * scan) on the same device. With `--target` one large model instead. Every contestant's losses are
 * checked before it is timed. What matters most comes first, and what does not fit into
 * `--minutes` is left out by name. Writes the raw figures to bench/results/ after each row.
 *
 * On a machine without a GPU the CPU engines run, so that the harness itself is always tried.
 * Peers need Python with torch and jax: `MUTRANSFER_BENCH_PYTHON=venv/bin/python`.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { flopsPerStep } from "../src/model/counts.ts";
import { fileNameOf, findCard, measure, provenance } from "./card.ts";
import { checkLosses, Contestant, median } from "./contest.ts";
import { floorSeconds } from "./floor.ts";
import { defaults, entrants, environmentOf, tolerance } from "./gpu-contestants.ts";
import { gpuProxy, gpuTarget, modelOf, type Work } from "./work.ts";

const begun = performance.now();
const card = await findCard();
const { values: options } = parseArgs({
  options: {
    widths: { type: "string", default: "64,128,256,512" },
    stacks: { type: "string", default: card.kind === "cpu" ? "4,1" : "64,1,16,256" },
    vocabularies: { type: "string", default: card.kind === "nvidia" ? "96,50257" : "96" },
    target: { type: "boolean", default: false },
    contestants: { type: "string" },
    /** Fields of the work that are to be others, as JSON. */
    work: { type: "string", default: "{}" },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "1" },
    minutes: { type: "string", default: "Infinity" },
    out: { type: "string", default: "bench/results" },
  },
});
const numbers = (text: string): readonly number[] => text.split(",").map(Number);
const secondsLeft = (): number => 60 * Number(options.minutes) - (performance.now() - begun) / 1000;

const names = (options.contestants ?? defaults[options.target ? "target" : card.kind]).split(";");
const unknown = names.filter((name) => !(name in entrants));
if (unknown.length > 0) {
  console.error(`no contestant is called ${unknown.join(", ")}; there are ${Object.keys(entrants).join(", ")}`);
  process.exit(2);
}

/** FLOPs of a call, at most: a second or less on a card. */
const callFlops = 2e13;
/** One work for each width, stack and vocabulary, the most telling first: stacks of 64 and of 1, small vocabularies, small widths. */
function works(): readonly Work[] {
  const other = JSON.parse(options.work) as Partial<Work>;
  if (options.target) return [{ ...gpuTarget, device: card.peers, ...other }];
  const stacks = numbers(options.stacks);
  const telling = (stack: number): boolean => stack === 64 || stack === 1;
  return [stacks.filter(telling), stacks.filter((stack) => !telling(stack))].flatMap((some) =>
    numbers(options.vocabularies).flatMap((vocabulary) =>
      numbers(options.widths).flatMap((width) =>
        some.map((stack) => {
          const work = { ...gpuProxy, width, stack, vocabulary, device: card.peers, ...other };
          const flops = stack * flopsPerStep(modelOf(work), work.batch);
          return { ...work, call_steps: Math.max(1, Math.min(work.call_steps, Math.floor(callFlops / flops))) };
        }),
      ),
    ),
  );
}

interface Row {
  readonly contestant: string;
  readonly width: number;
  readonly vocabulary: number;
  readonly stack: number;
  readonly ms_per_step?: number;
  readonly ms_per_model?: number;
  readonly gflops?: number;
  readonly tokens_per_second?: number;
  /** Share of the rate of large matrix products of the same rounding. */
  readonly peak_share?: number;
  /** The floor of the cuda engine's launches over the time. */
  readonly floor_share?: number;
  readonly ready_seconds?: number;
  readonly losses?: readonly number[];
  readonly left_out?: string;
}

const measured = await measure(card, Number(options.rounds), Number(options.seconds));
const rates = Object.entries(measured).map(([what, rate]) => `${what} ${(rate / 1e12).toFixed(2)}`);
console.error(`${card.name}; products in TFLOP/s, copies in TB/s: ${rates.join(", ") || "not measured"}`);

const noTime = "no time was left";
/** Who says what a model's first losses are: the first contestant that trains it. */
const references = new Map<string, Contestant>();

/** Trains one contestant for a while, once its losses are those of the others. */
async function timeCell(name: string, work: Work): Promise<Row> {
  const { width, vocabulary, stack } = work;
  const row: Row = { contestant: name, width, vocabulary, stack };
  if (secondsLeft() <= 0) return { ...row, left_out: noTime };
  const started = performance.now();
  const mostSeconds = Math.min(300, secondsLeft());
  const contestant = await Contestant.start(name, entrants[name].command, work, environmentOf(name), mostSeconds);
  if (typeof contestant === "string") return { ...row, left_out: contestant };
  const readySeconds = (performance.now() - started) / 1000;
  try {
    const model = `${width} ${vocabulary}`;
    const reference = references.get(model) ?? contestant;
    references.set(model, reference);
    checkLosses(reference, [contestant], tolerance);
    const times: number[] = [];
    for (let round = 0; round < Number(options.rounds); round++) times.push(await contestant.run(Number(options.seconds)));
    const seconds = median(times);
    const flopRate = flopsPerStep(modelOf(work), work.batch) / seconds;
    const peak = measured[entrants[name].products];
    const floor = floorSeconds(work, { product: peak, copy: measured.copy });
    return {
      ...{ ...row, ms_per_step: 1000 * seconds * stack, ms_per_model: 1000 * seconds, gflops: flopRate / 1e9 },
      tokens_per_second: (work.batch * work.context) / seconds,
      ...(peak !== undefined && { peak_share: flopRate / peak }),
      ...(floor !== undefined && { floor_share: floor / seconds }),
      ...{ ready_seconds: readySeconds, losses: contestant.losses },
    };
  } catch (error) {
    return { ...row, losses: contestant.losses, left_out: (error as Error).message };
  } finally {
    await contestant.stop();
  }
}

const rows: Row[] = [];
mkdirSync(options.out, { recursive: true });
const path = join(options.out, `${fileNameOf(card)}-${options.target ? "target" : "stacks"}.json`);
/** After each row: what was measured is not lost with what comes after it. */
function write(): void {
  const { name: device, kind, peers, ...about } = card;
  const work = { ...(options.target ? gpuTarget : gpuProxy), ...(JSON.parse(options.work) as Partial<Work>) };
  const of = { ...provenance(), work, rounds: Number(options.rounds), seconds: Number(options.seconds) };
  writeFileSync(path, `${JSON.stringify({ device, kind, peers, ...about, ...of, per_second: measured, rows }, null, 1)}\n`);
}

const percent = (share: number | undefined, of: string): string => (share === undefined ? "" : `, ${(100 * share).toFixed(1)} % of ${of}`);
function lineOf(row: Row): string {
  const {
    contestant,
    width,
    vocabulary,
    stack,
    ms_per_step: step = 0,
    ms_per_model: model = 0,
    gflops = 0,
    tokens_per_second: tokens = 0,
  } = row;
  const cell = `width ${width}, vocabulary ${vocabulary}, stack ${stack}, ${contestant}`;
  if (row.left_out !== undefined) return `${cell}: left out: ${row.left_out}`;
  const speed = `${step.toPrecision(3)} ms per step, ${model.toPrecision(3)} per model, ${gflops.toFixed(0)} GFLOP/s, ${tokens.toFixed(0)} tokens/s`;
  return `${cell}: ${speed}${percent(row.peak_share, "a product's rate")}${percent(row.floor_share, "what the floor allows")}`;
}
for (const work of works())
  for (const name of names.filter((each) => entrants[each].stacks || work.stack === 1)) {
    const row = await timeCell(name, work);
    rows.push(row);
    write();
    if (row.left_out !== noTime) console.error(lineOf(row));
  }
const lateRows = rows.filter((row) => row.left_out === noTime);
if (lateRows.length > 0) console.error(`${lateRows.length} of ${rows.length} rows left out for want of time, from: ${lineOf(lateRows[0])}`);
console.error(`wrote ${path} after ${((performance.now() - begun) / 60_000).toFixed(1)} minutes`);

const head = ["vocabulary", "width", "stack", ...names.map((name) => `${name}: ms per model (share of the floor)`)];
console.log(`| ${head.join(" | ")} |\n|${head.map(() => "---:").join("|")}|`);
for (const { vocabulary, width, stack } of works()) {
  const cells = names.map((name) => {
    const row = rows.find(
      (each) => each.contestant === name && each.vocabulary === vocabulary && each.width === width && each.stack === stack,
    );
    if (row?.ms_per_model === undefined) return "–";
    return `${row.ms_per_model.toPrecision(3)}${row.floor_share === undefined ? "" : ` (${(100 * row.floor_share).toFixed(0)} %)`}`;
  });
  console.log(`| ${[vocabulary, width, stack, ...cells].join(" | ")} |`);
}
