/** Checkpoints on disk: any byte of the newest cut or changed, the one before it is used, and training goes on bit for bit. */
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { engineHost } from "../../src/cache.ts";
import type { EngineName } from "../../src/engines/engine.ts";
import { engines } from "../../src/engines/registry.ts";
import { shapeOf } from "../../src/program/program.ts";
import { readPlan } from "../../src/spec/read.ts";
import {
  checkpointStem,
  checkpointedStacks,
  checkpointsOf,
  cleanCheckpoints,
  loadCheckpoint,
  memberLabels,
  saveCheckpoint,
} from "../../src/run/checkpoints.ts";
import { OpenFolder } from "../../src/run/open-folder.ts";
import { openingTrials } from "../../src/sweep/agenda.ts";
import { encodeCheckpoint, trainingIdentity } from "../../src/training/checkpoint.ts";
import { programOf, trainStack, type Checkpoint, type Training, type Trained } from "../../src/training/train.ts";
import { temporaryFolder } from "../support/folder.ts";
import { cpuEngine } from "../support/native.ts";
import { trainingOf } from "../../src/spec/training.ts";

const folder = temporaryFolder();
const run = OpenFolder.make(folder);
const text = `name: x
data: {source: moby-dick}
model: {layers: 1, head_dim: 4, context: 8}
width: {proxy: 4, target: 8}
train: {steps: 40, batch: 2, evaluate: {every: 16, batches: 1}}
search: {confirm: false, trials: 2, parameters: {learning_rate: {values: [0.01, 1.0e+30]}}}
`;
const plan = await readPlan({ text, file: "x.yaml", directory: folder }, join(folder, "cache"));
const trials = openingTrials(plan.spec);
const training = trainingOf(plan, trials, { width: 4, layers: plan.spec.model.layers }, 1);
const identity = trainingIdentity(training, "e");

/** Trains the training on an engine; kept after `every` steps, and stopped at `stopAt`. */
async function train(
  of: Training,
  name: EngineName,
  options: { from?: Checkpoint; stopAt?: number; every?: number } = {},
): Promise<Trained & { readonly kept: readonly Checkpoint[] }> {
  const engine = await engines[name].open(engineHost());
  const kept: Checkpoint[] = [];
  const { from, stopAt = Infinity, every = Infinity } = options;
  const trained = await trainStack(
    (program, compile) => engine.compile(program, compile),
    of,
    { now: () => 0, onProgress: () => undefined },
    {
      from,
      nextStep: (step) => Math.min(step < stopAt ? stopAt : Infinity, (Math.floor(step / every) + 1) * every),
      afterCall: (step) => (step >= stopAt ? "save and stop" : step % every === 0 ? "save" : "go on"),
      save: (checkpoint) => kept.push(checkpoint),
      part: (checkpoint) => kept.push(checkpoint),
    },
  );
  return { ...trained, kept };
}
const program = programOf(training);
const pieces = (checkpoint: Checkpoint): readonly Uint8Array[] =>
  encodeCheckpoint(checkpoint, identity, memberLabels(trials), (ref) => shapeOf(program, ref));
const { kept } = await train(training, cpuEngine, { every: 7 });

describe("training that was stopped", () => {
  it.each([...new Set<EngineName>([cpuEngine, "onnxruntime"])])("on %s goes on bit for bit, wherever it was stopped", async (name) => {
    const whole = await train(training, name);
    expect(whole.outcomes?.map(({ status }) => status)).toEqual(["completed", "diverged"]);
    for (const stopAt of [1, 7, 16, 33, 39]) {
      const first = await train(training, name, { stopAt });
      expect(first.outcomes).toBeUndefined();
      const bytes = Buffer.concat([...pieces(first.kept[0])]);
      const stopped = OpenFolder.make(join(folder, "stopped"));
      const stem = `${name}-${stopAt}`;
      saveCheckpoint(stopped, stem, stopAt, [bytes]);
      const from = loadCheckpoint(stopped, stem, identity, training, () => expect.unreachable()) as Checkpoint;
      const rest = await train(training, name, { from });
      expect(rest.outcomes, `stopped at ${stopAt}`).toEqual(whole.outcomes);
      expect(rest.state).toEqual(whole.state);
    }
  });
});

describe("checkpoints on disk", () => {
  const stem = checkpointStem(trials);

  it("are the last two, by their step", () => {
    for (const checkpoint of kept) saveCheckpoint(run, stem, checkpoint.state.step, pieces(checkpoint));
    expect(checkpointsOf(run, stem).map(({ step }) => step)).toEqual([35, 28]);
    expect(checkpointedStacks(run)).toEqual([{ members: trials.map(({ id, seed }) => ({ id, seed })), step: 35 }]);
  });

  it("of which the newest is cut or changed at any byte are the one before it, with a word why", () => {
    const [newest, before] = checkpointsOf(run, stem);
    const path = join(folder, "checkpoints", newest.name);
    const bytes = readFileSync(path);
    const older = loadCheckpoint(run, stem, identity, training, () => undefined);
    expect(older?.state.step).toBe(newest.step);
    const check = (damaged: Buffer, what: string): void => {
      writeFileSync(path, damaged);
      const notes: string[] = [];
      const loaded = loadCheckpoint(run, stem, identity, training, (note) => notes.push(note));
      expect(loaded?.state.step, what).toBe(before.step);
      expect(notes, what).toHaveLength(1);
    };
    // The file is some thousand bytes: of the header every byte is changed and cut at (outside CI every fifth), of the arrays some.
    const headerBytes = 8 + Number(bytes.readBigUInt64LE(0));
    const [ofHeader, ofArrays] = process.env["MUTRANSFER_CI"] ? [1, 13] : [5, 67];
    for (let at = 0; at < bytes.length; at += at < headerBytes ? ofHeader : ofArrays) {
      const flipped = Buffer.from(bytes);
      flipped[at] ^= 1 << (at % 8);
      check(flipped, `byte ${at} changed`);
      check(bytes.subarray(0, at), `cut at ${at}`);
    }
    check(Buffer.concat([bytes, Buffer.from([0])]), "a byte more");
    writeFileSync(path, bytes);
    expect(loadCheckpoint(run, stem, identity, training, () => expect.unreachable())?.state.step).toBe(newest.step);
  });

  it.each<[string, string, Training]>([
    ["another engine", trainingIdentity(training, "another"), training],
    [
      "another learning rate",
      trainingIdentity(
        {
          ...training,
          lanes: training.lanes.map((lane) => ({ ...lane, hyperparameters: { ...lane.hyperparameters, learning_rate: 0.5 } })),
        },
        "e",
      ),
      training,
    ],
    ["other data", trainingIdentity({ ...training, dataSeed: 9 }, "e"), training],
  ])("of %s are not used", (_, other, of) => {
    const notes: string[] = [];
    expect(loadCheckpoint(run, stem, other, of, (note) => notes.push(note))).toBeUndefined();
    expect(notes[0]).toContain("of another run");
  });
  it("do not depend on the number of threads", () => expect(trainingIdentity({ ...training, threads: 7 }, "e")).toBe(identity));

  it("of trials that have ended go, and so do half-written files", () => {
    writeFileSync(join(folder, "checkpoints", `${stem}-99.safetensors.tmp`), "half");
    cleanCheckpoints(run, ({ id }) => id === 1);
    expect(checkpointsOf(run, stem)).toHaveLength(2);
    expect(readdirSync(join(folder, "checkpoints")).filter((name) => name.endsWith(".tmp"))).toEqual([]);
    cleanCheckpoints(run, () => false);
    expect(readdirSync(folder)).not.toContain("checkpoints");
  });

  it("with a header that says nothing of trials are no stack", () => {
    mkdirSync(join(folder, "checkpoints"));
    for (const content of ["", "x", "\u0008\0\0\0\0\0\0\0{}      "]) {
      writeFileSync(join(folder, "checkpoints", "trial-0-seed-1-5.safetensors"), content, "latin1");
      expect(checkpointedStacks(run)).toEqual([]);
    }
    rmSync(join(folder, "checkpoints"), { recursive: true });
  });
});
