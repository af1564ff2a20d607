/** What workers keep is found again by its keys, wherever the pool says that it lies, and nowhere else. */
import { readdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { decodeSafetensors } from "../../src/data/safetensors.ts";
import { OpenFolder } from "../../src/run/open-folder.ts";
import { readPlan } from "../../src/spec/read.ts";
import { trainingOf } from "../../src/spec/training.ts";
import { openingTrials } from "../../src/sweep/agenda.ts";
import { decodeCheckpoint, trainingIdentity } from "../../src/training/checkpoint.ts";
import type { Checkpoint, Training } from "../../src/training/train.ts";
import { keepingOf, type OwnProcess } from "../../src/workers/keeping.ts";
import { HeldStore, type Store } from "../../src/workers/store.ts";
import type { Keep, News, Task } from "../../src/workers/tasks.ts";
import { temporaryFolder } from "../support/folder.ts";
import { workerPool } from "../support/worker.ts";

const folder = temporaryFolder();
const text = `name: x
data: {source: moby-dick}
model: {layers: 1, head_dim: 4, context: 8}
width: {proxy: 4, target: 8}
train: {steps: 40, batch: 2, evaluate: {every: 16, batches: 1}}
search: {confirm: false, trials: 2}
`;
const plan = await readPlan({ text, file: "x.yaml", directory: folder }, join(folder, "cache"));
const training = trainingOf(plan, openingTrials(plan.spec), { width: 4, layers: 1 }, 1);
const laneTraining = (lane: number): Training => ({ ...training, lanes: [training.lanes[lane]] });
const keptAs = (stem: string, of: Training) => ({ stem, identity: trainingIdentity(of, "e"), labels: { trials: "[]" } });
const keep: Keep = {
  ...keptAs("both", training),
  interval: { steps: 15 },
  lanes: [keptAs("one", laneTraining(0)), keptAs("two", laneTraining(1))],
};
const whole: Task<"train"> = { kind: "train", training, keep };
/** The second lane alone. */
const second: Task<"train"> = {
  kind: "train",
  training: laneTraining(1),
  keep: { ...keptAs("two", laneTraining(1)), interval: {}, lanes: [] },
  weights: { metadata: { of: "a test" } },
};

/** The files among a run's checkpoints. */
const keptIn = (name: string): readonly string[] => readdirSync(join(folder, name, "checkpoints")).sort();
/** Where a training of `pool` says that it begins. */
const resumedAt = (news: readonly News[]): readonly number[] => news.flatMap((each) => ("resumedAt" in each ? [each.resumedAt] : []));

describe("a worker's store", () => {
  it("is where the pool was told to keep things, from the next task on", async () => {
    const pool = workerPool();
    const [here, there] = ["here", "there"].map((name) => OpenFolder.make(join(folder, name)));
    const heard = async (task: Task<"train">) => {
      const news: News[] = [];
      const { outcomes } = await pool.run(task, (each) => news.push(each));
      return { outcomes, resumed: resumedAt(news) };
    };
    pool.keepIn(here.handle);
    expect((await heard({ ...whole, until: 20 })).resumed).toEqual([]);
    expect(keptIn("here")).toEqual(["both-15.safetensors", "one-20.safetensors", "two-20.safetensors"]);
    const resumed = await heard(second);
    expect(resumed.resumed).toEqual([20]);

    pool.keepIn(there.handle);
    const alone = await heard(second);
    expect(alone.resumed).toEqual([]);
    // Where it was left it was evaluated as well; the rest is the same bit for bit.
    expect(alone.outcomes[0].validationLoss).toBe(resumed.outcomes[0].validationLoss);
    const weightsIn = (name: string): Buffer => readFileSync(join(folder, name, "weights.safetensors"));
    expect(decodeSafetensors(weightsIn("there"))).toMatchObject({ metadata: { of: "a test" } });
    expect(weightsIn("here")).toEqual(weightsIn("there"));
    const fresh = await heard(whole);
    expect(keptIn("there")).toEqual(["both-15.safetensors", "both-30.safetensors"]);

    pool.keepIn(here.handle);
    expect(await heard(whole)).toEqual({ ...fresh, resumed: [15] });
    pool.close();
  });

  it("that is no longer in its place ends a task that names keys, and no other", async () => {
    const pool = workerPool();
    const moved = OpenFolder.make(join(folder, "moved"));
    pool.keepIn(moved.handle);
    renameSync(join(folder, "moved"), join(folder, "elsewhere"));
    await expect(pool.run(whole)).rejects.toMatchObject({ kind: "io", diagnostics: [{ code: "folder_gone" }] });
    await expect(pool.run({ kind: "train", training })).resolves.toMatchObject({
      outcomes: [{ status: "completed" }, { status: "completed" }],
    });
    expect(() => new HeldStore().at(moved.handle)).toThrow(/was moved/);
    pool.close();
  });

  it("is needed by a task that names keys", async () => {
    const pool = workerPool();
    await expect(pool.run(whole)).rejects.toThrow(/not told of which store/);
    pool.close();
  });
});

describe("a stack that is kept", () => {
  /** A store that has no folder: what a server would hold. */
  function memoryStore() {
    const kept = new Map<string, { readonly step: number; readonly bytes: Buffer }>();
    const store: Store = {
      newest: ({ stem, identity }, of, note) => {
        const found = kept.get(stem);
        const decoded = found && decodeCheckpoint(found.bytes, identity, of);
        if (typeof decoded !== "string") return decoded;
        note(decoded);
        return undefined;
      },
      save: (stem, step, pieces) => void kept.set(stem, { step, bytes: Buffer.concat([...pieces]) }),
      saveWeights: () => expect.unreachable(),
    };
    return { kept, store };
  }
  const news: News[] = [];
  const quiet: OwnProcess = { now: () => 0, tell: (each) => news.push(each), stopping: () => false, outliveNobody: () => undefined };

  it("begins at its own newest checkpoint, or at those of its lanes, whatever holds them", async () => {
    const pool = workerPool();
    pool.keepIn(OpenFolder.make(join(folder, "source")).handle);
    await pool.run({ ...whole, until: 20 });
    const source = new HeldStore().at(OpenFolder.make(join(folder, "source")).handle);
    const checkpoint = source.newest(keep, training, () => expect.unreachable()) as Checkpoint;
    const { kept, store } = memoryStore();

    expect(keepingOf(training, keep, store, quiet).from).toBeUndefined();
    const keeping = keepingOf(training, keep, store, quiet);
    keeping.part(checkpoint);
    expect([...kept.keys()]).toEqual(["one", "two"]);
    expect(keepingOf(training, keep, store, quiet).from).toEqual(checkpoint);
    expect(news).toEqual([{ resumedAt: 15 }]);

    keeping.save({ ...checkpoint, state: { ...checkpoint.state, step: 30 } });
    expect(kept.get("both")?.step).toBe(30);
    expect(keepingOf(training, keep, store, quiet).from?.state.step).toBe(30);
    expect(keepingOf(training, { ...keep, identity: "another" }, store, quiet).from?.state.step).toBe(15);
    expect(news.at(-2)).toEqual({ note: "it is of another run, or of another engine" });
    pool.close();
  });

  it("is not written by a worker whose parent is gone", () => {
    const { kept, store } = memoryStore();
    const orphan = keepingOf(training, keep, store, {
      ...quiet,
      outliveNobody: () => {
        throw new Error("dead");
      },
    });
    const { from } = keepingOf(training, keep, new HeldStore().at(OpenFolder.make(join(folder, "source")).handle), quiet);
    expect(() => orphan.save(from as Checkpoint)).toThrow("dead");
    expect(kept.size).toBe(0);
  });

  it("is kept at the steps and after the seconds of its interval, and when it is to stop", () => {
    let [clock, stop] = [0, false];
    const { store } = memoryStore();
    const at = (interval: Keep["interval"]) =>
      keepingOf(training, { ...keep, interval }, store, { ...quiet, now: () => clock, stopping: () => stop });
    const steps = at({ steps: 15 });
    expect([steps.nextStep(0), steps.nextStep(15), steps.afterCall(14), steps.afterCall(30)]).toEqual([15, 30, "go on", "save"]);
    const seconds = at({ seconds: 60 });
    expect([seconds.nextStep(0), seconds.afterCall(7)]).toEqual([Infinity, "go on"]);
    clock = 60;
    expect(seconds.afterCall(7)).toBe("save");
    stop = true;
    expect(seconds.afterCall(8)).toBe("save and stop");
  });
});
