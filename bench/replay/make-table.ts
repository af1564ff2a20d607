/**
 * `node dist/bench/replay/make-table.js`: trains every cell of a grid of hyperparameters with
 * three seeds of initial weights and the same data order, and keeps each run's validation loss at
 * geometric checkpoints, so that searches can be replayed without training anything.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cores } from "../../src/engines/cores.ts";
import { cacheFolder } from "../../src/cache.ts";
import { everyPoint } from "../../src/search/space.ts";
import { readPlan } from "../../src/spec/read.ts";
import { WorkerPool } from "../../src/workers/pool.ts";
import { tablePath, type Table } from "./table.ts";
import { trainingOf } from "../../src/spec/training.ts";
import { sizesOf } from "../../src/spec/plan.ts";

const octaves = (from: number, to: number, step: number): number[] =>
  Array.from({ length: (to - from) / step + 1 }, (_, index) => Number((2 ** (from + index * step)).toPrecision(4)));
const space = {
  learning_rate: { values: octaves(-10, -2.5, 0.5) },
  init_std: { values: octaves(-3, 3, 1) },
  output_multiplier: { values: octaves(0, 6, 1) },
};
const seeds = [1, 2, 3];
const steps = 288;
/** 1/16, 1/9, 1/8, 1/4, 1/3, 1/2 and all of the steps: the rungs of halving, thirding and quartering. */
const checkpoints = [18, 32, 36, 72, 96, 144, 288];
const stackSize = 14;
const spec = `name: replay
seed: 1
data: {source: moby-dick, tokenizer: characters}
model: {layers: 2, head_dim: 16, context: 32}
width: {proxy: 32, target: 32}
train: {steps: ${steps}, batch: 8, evaluate: {every: 2, batches: 4}}
search: {method: grid, parameters: ${JSON.stringify(space)}}
`;

const plan = await readPlan({ text: spec, file: "replay.yaml", directory: "." }, cacheFolder());
const cells = everyPoint(space);
const runs = seeds.flatMap((seed) => cells.map((cell, index) => ({ seed, index, cell })));
/** [cell][seed][checkpoint] in nats; null from where a run diverged on. */
const lossesNats: (number | null)[][][] = cells.map(() => seeds.map(() => []));
const jobs = Array.from({ length: Math.ceil(runs.length / stackSize) }, (_, index) =>
  runs.slice(index * stackSize, (index + 1) * stackSize),
);
const pool = new WorkerPool(fileURLToPath(new URL("../../src/workers/worker.js", import.meta.url)), "native");
const started = performance.now();
let done = 0;
const defaults = Object.fromEntries(
  Object.entries(plan.spec.search.parameters).flatMap(([name, domain]) => ("value" in domain ? [[name, domain.value]] : [])),
);
async function work(): Promise<void> {
  for (let training = jobs.shift(); training !== undefined; training = jobs.shift()) {
    const stack = training.map(({ seed, cell }) => ({ seed, hyperparameters: { ...defaults, ...cell } }));
    const { outcomes } = await pool.run({ kind: "train", training: trainingOf(plan, stack, sizesOf(plan.spec).proxy, 1) });
    outcomes.forEach(({ curve }, lane) => {
      const at = new Map(curve.map(({ step, validationLoss }) => [step, validationLoss]));
      const rounded = checkpoints.map((step) => {
        const loss = at.get(step) ?? null;
        return loss === null ? null : Number(loss.toPrecision(5));
      });
      lossesNats[training[lane].index][seeds.indexOf(training[lane].seed)] = rounded;
    });
    done += training.length;
    console.error(`${done} of ${runs.length} runs, ${((performance.now() - started) / 1000).toFixed(0)} s`);
  }
}
const engine = await pool.run({ kind: "describe" });
await Promise.all(Array.from({ length: cores() }, work));
pool.close();

const { version } = JSON.parse(readFileSync(fileURLToPath(new URL("../../../package.json", import.meta.url)), "utf8")) as {
  version: string;
};
const table: Omit<Table, "losses_nats"> = {
  command: "npm run build && node dist/bench/replay/make-table.js",
  versions: { mutransfer: version, node: process.version, engine: engine.version },
  spec,
  data_sha256: plan.dataset.hash,
  seeds,
  checkpoints,
  space,
};
const rows = lossesNats.map((cell) => `    ${JSON.stringify(cell)}`).join(",\n");
mkdirSync(join(tablePath, ".."), { recursive: true });
writeFileSync(tablePath, `${JSON.stringify(table, null, 2).slice(0, -2)},\n  "losses_nats": [\n${rows}\n  ]\n}\n`);
