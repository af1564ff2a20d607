/** A coordinate check's readings are the same bit for bit wherever they are taken, and leave the worker as it was. */
import { join } from "node:path";
import { expect, it } from "vitest";
import { engineHost } from "../../src/cache.ts";
import { readWindows, trainingStarts } from "../../src/data/batches.ts";
import type { Engine } from "../../src/engines/engine.ts";
import { engines } from "../../src/engines/registry.ts";
import { dumpProgram } from "../../src/program/dump.ts";
import { readPlan } from "../../src/spec/read.ts";
import { trainingOf } from "../../src/spec/training.ts";
import { openingTrials } from "../../src/sweep/agenda.ts";
import { takeReadings, type Conditions, type Exercise } from "../../src/training/coordinates.ts";
import { programOf, type Compile } from "../../src/training/train.ts";
import { temporaryFolder } from "../support/folder.ts";
import { cpuEngine } from "../support/native.ts";
import { makeActions } from "../../src/workers/actions.ts";
import type { OwnProcess } from "../../src/workers/keeping.ts";
import { workerPool } from "../support/worker.ts";

const folder = temporaryFolder();
const text = `name: x
data: {source: moby-dick}
model: {layers: 2, head_dim: 8, context: 16}
width: {proxy: 16, target: 32}
train: {steps: 40, batch: 2}
search: {confirm: false, trials: 3}
`;
const plan = await readPlan({ text, file: "x.yaml", directory: folder }, join(folder, "cache"));
const training = trainingOf(plan, openingTrials(plan.spec), { width: 16, layers: 2 }, 1);
const { model, scaling, train, lanes, data, threads } = training;
const [{ hyperparameters }] = lanes;
const shape = { batch: train.batch, context: model.context };
const subject = { model, scaling };
const conditions: readonly Conditions[] = [
  { regime: "adam", hyperparameters, epsilon: 1e-8 },
  { regime: "epsilon", hyperparameters, epsilon: 0.01 },
];
/** Its program is the training's own. */
const exercise: Exercise = {
  seeds: lanes.map((_, lane) => lane),
  optimizer: { beta1: train.beta1, beta2: train.beta2 },
  measuredSteps: [0, 1, 3],
  batch: readWindows(data.train, trainingStarts(1, 1, data.train.count, shape), shape),
  threads,
  blocks: "all",
};

const engine = await engines[cpuEngine].open(engineHost());
const dumps: string[] = [];
const compile: Compile = (program, options) => {
  dumps.push(dumpProgram(program));
  return engine.compile(program, options);
};

it("readings of a worker equal those of this process bit for bit", async () => {
  const pool = workerPool();
  const there = await pool.run({ kind: "readings", subject, conditions, exercise });
  expect(there).toEqual(await takeReadings(compile, subject, conditions, exercise));
  expect(there.some(({ step, update }) => step === 3 && update.every((value) => value > 0))).toBe(true);
  const others = await pool.run({ kind: "readings", subject, conditions, exercise: { ...exercise, seeds: [7, 8, 9] } });
  expect(others).not.toEqual(there);
  expect(pool.processIds).toHaveLength(1);
  pool.close();
});

it("a worker measures what it has prepared, although readings of the same program came between", async () => {
  expect(dumps).toEqual([dumpProgram(programOf(training))]);
  /** As the GPU's engines are: what was disposed of is gone. */
  const strict: Engine = {
    ...engine,
    compile: async (program, options) => {
      const executable = await engine.compile(program, options);
      const dispose = (): Promise<void> => {
        executable.train = () => Promise.reject(new Error("it was disposed of"));
        return Promise.resolve();
      };
      return Object.assign(executable, { dispose });
    },
  };
  const quiet: OwnProcess = {
    now: () => performance.now() / 1000,
    tell: () => undefined,
    stopping: () => false,
    outliveNobody: () => undefined,
  };
  const { prepare, readings, measure } = makeActions(quiet);
  const noStore = (): never => expect.unreachable();
  await prepare(strict, { kind: "prepare", training }, noStore);
  await readings(strict, { kind: "readings", subject, conditions, exercise }, noStore);
  const measured = await measure(strict, { kind: "measure", training, seconds: 0.01 }, noStore);
  expect(measured?.secondsPerStep).toBeGreaterThan(0);
});
