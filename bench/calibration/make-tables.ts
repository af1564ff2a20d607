/**
 * `node dist/bench/calibration/make-tables.js [SETTING…]`: trains every cell of some grids of hyperparameters with
 * eight seeds of initial weights and the same data order, one table for each setting (a width, a budget, a tokenizer),
 * so that what is said of a sweep can be held against what all seeds of all cells say.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheFolder } from "../../src/cache.ts";
import { cores } from "../../src/engines/cores.ts";
import { everyPoint } from "../../src/search/space.ts";
import { sizesOf } from "../../src/spec/plan.ts";
import { readPlan } from "../../src/spec/read.ts";
import { trainingOf } from "../../src/spec/training.ts";
import { WorkerPool } from "../../src/workers/pool.ts";
import { settings, tableFile, tablesPath, type Setting, type Table } from "./tables.ts";

const seeds = [1, 2, 3, 4, 5, 6, 7, 8];
const stackSize = 14;

const specOf = ({ name, width, steps, batch, context, tokenizer, space }: Setting): string => `name: ${name}
seed: 1
data: {source: moby-dick, tokenizer: ${tokenizer}}
model: {layers: 2, head_dim: 16, context: ${context}}
width: {base: ${width}, proxy: ${width}, target: ${width}}
train: {steps: ${steps}, batch: ${batch}, evaluate: {every: ${steps}}}
search: {method: grid, parameters: ${JSON.stringify(space)}}
`;

async function tableOf(setting: Setting, pool: WorkerPool, engine: string, version: string): Promise<Table> {
  const spec = specOf(setting);
  const plan = await readPlan({ text: spec, file: `${setting.name}.yaml`, directory: "." }, cacheFolder());
  const cells = everyPoint(plan.spec.search.parameters);
  const runs = seeds.flatMap((seed) => cells.map((cell, index) => ({ seed, index, cell })));
  const lossesNats: (number | null)[][] = cells.map(() => seeds.map(() => null));
  const stacks = Array.from({ length: Math.ceil(runs.length / stackSize) }, (_, index) =>
    runs.slice(index * stackSize, (index + 1) * stackSize),
  );
  const started = performance.now();
  async function work(): Promise<void> {
    for (let stack = stacks.shift(); stack !== undefined; stack = stacks.shift()) {
      const lanes = stack.map(({ seed, cell }) => ({ seed, hyperparameters: cell }));
      const { outcomes } = await pool.run({ kind: "train", training: trainingOf(plan, lanes, sizesOf(plan.spec).proxy, 1) });
      for (const [lane, { validationLoss }] of outcomes.entries()) {
        const { index, seed } = stack[lane];
        lossesNats[index][seeds.indexOf(seed)] = validationLoss === null ? null : Number(validationLoss.toPrecision(6));
      }
    }
  }
  await Promise.all(Array.from({ length: cores() }, work));
  console.error(`${setting.name}: ${runs.length} runs, ${((performance.now() - started) / 1000).toFixed(0)} s`);
  return {
    command: `npm run build && node dist/bench/calibration/make-tables.js ${setting.name}`,
    versions: { mutransfer: version, node: process.version, engine },
    setting,
    spec,
    data_sha256: plan.dataset.hash,
    vocabulary: plan.dataset.vocabSize,
    seeds,
    losses_nats: lossesNats,
  };
}

const asked = process.argv.slice(2);
const { version } = JSON.parse(readFileSync(fileURLToPath(new URL("../../../package.json", import.meta.url)), "utf8")) as {
  version: string;
};
const pool = new WorkerPool(fileURLToPath(new URL("../../src/workers/worker.js", import.meta.url)), "native");
const engine = await pool.run({ kind: "describe" });
mkdirSync(tablesPath, { recursive: true });
for (const setting of settings.filter(({ name }) => asked.length === 0 || asked.includes(name))) {
  const { losses_nats: losses, ...head } = await tableOf(setting, pool, engine.version, version);
  const rows = losses.map((cell) => `    ${JSON.stringify(cell)}`).join(",\n");
  writeFileSync(
    join(tablesPath, tableFile(setting.name)),
    `${JSON.stringify(head, null, 2).slice(0, -2)},\n  "losses_nats": [\n${rows}\n  ]\n}\n`,
  );
}
pool.close();
