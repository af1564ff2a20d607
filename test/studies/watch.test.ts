/** What is told of a run while it goes on: what its own process writes down, and what others make of the folder. */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { takeLock, type Lock } from "../../src/run/lock.ts";
import { OpenFolder } from "../../src/run/open-folder.ts";
import { runFiles } from "../../src/run/run-folder.ts";
import { readContents, type FolderContents } from "../../src/studies/folder.ts";
import type { LiveRun } from "../../src/studies/live.ts";
import { readStatus, readStatuses, type RunStatus } from "../../src/studies/status.ts";
import { sweep } from "../../src/studies/sweep.ts";
import { transfer } from "../../src/studies/transfer.ts";
import { watchStatus, WatchedRun } from "../../src/studies/watch.ts";
import { temporaryFolder } from "../support/folder.ts";
import { cpuEngine } from "../support/native.ts";
import { madeTrial, reportSpec, runOf, writeJournal, writeRun } from "../support/report.ts";
import { surroundings, tinySpec } from "../support/study.ts";

const folder = temporaryFolder();
const spec = { text: tinySpec().replace("steps: 60", "steps: 300"), file: "tiny.yaml", directory: folder };
const into = (name: string) => ({ out: join(folder, name), engine: cpuEngine, jobs: 1, stack: 4, checkpoint: { steps: 10 } });

describe("a sweep that trains", () => {
  const seen: RunStatus[] = [];
  const contents: FolderContents[] = [];
  let [told, last] = ["", ""];
  beforeAll(async () => {
    const path = join(folder, "run", runFiles.progress);
    const look = (): void => {
      seen.push(readStatus(join(folder, "run")));
      const opened = OpenFolder.make(join(folder, "run"));
      contents.push(readContents(opened, 100));
      opened.close();
    };
    // Time passes with events, so that each is told.
    let now = 0;
    const watched = surroundings(folder, (event, stop) => {
      now += 10;
      if (event.event !== "stack_progress" || event.stack !== 0) return;
      if (existsSync(path)) {
        told = readFileSync(path, "utf8");
        look();
      }
      if (event.step >= 40) stop();
    });
    const setting = { ...watched.setting, now: () => now };
    await sweep(spec, into("run"), setting).catch(() => undefined);
    last = existsSync(path) ? "left" : "gone";
  });

  it("has its curves so far in its folder, until nothing is trained", () => {
    const [live] = seen.flatMap(({ live: each }) => each ?? []).slice(-1);
    expect(live?.stacks.map(({ trainings }) => trainings.map(({ trial, seed }) => [trial, seed]))).toEqual([
      [0, 1, 2, 3].map((id) => [id, 1]),
    ]);
    expect(live?.stacks[0].trainings[3].curve.map(({ step }) => step).slice(0, 2)).toEqual([0, 20]);
    expect(live?.fraction).toBeGreaterThan(0);
    expect(JSON.parse(told)).toMatchObject({
      version: 1,
      stacks: [{ trainings: [{ trial: 0, seed: 1 }, {}, {}, {}] }],
    });
    expect(contents.at(-1)).toMatchObject({ phase: "running", problems: [], live });
    expect([last, readStatus(join(folder, "run"))]).toMatchObject(["gone", { phase: "stopped", live: null, process: null }]);
  });

  it("counts what checkpoints hold, and goes on with the curves that they have", async () => {
    const stopped = readStatus(join(folder, "run"));
    const [{ step }] = stopped.checkpoints;
    expect(stopped.fraction).toBeCloseTo((4 * step) / (8 * 300), 10);
    const first: LiveRun[] = [];
    let now = 0;
    const again = surroundings(folder, () => {
      now += 10;
      const { live } = readStatus(join(folder, "run"));
      if (live !== null && live.stacks.length > 0) first.push(live);
    });
    const { path, head } = await sweep(spec, into("run"), { ...again.setting, now: () => now });
    expect(first[0].fraction).toBeCloseTo((4 * step) / (8 * 300), 10);
    expect(first[0].stacks[0].trainings[0].curve.map((point) => point.step)).toEqual(
      Array.from({ length: Math.floor(step / 20) + 1 }, (_, index) => 20 * index),
    );
    expect(readStatus(join(folder, "run"))).toMatchObject({
      ...{ phase: "finished", fraction: 1, live: null },
      best: { trial: head.best?.trial, validationLoss: head.best?.validation_loss },
    });
    expect(existsSync(join(folder, "run", runFiles.progress))).toBe(false);
    const target: LiveRun[] = [];
    const watched = surroundings(folder, () => {
      now += 10;
      target.push(...[readStatus(join(folder, "run")).live].filter((each) => each !== null));
    });
    await transfer(
      { text: readFileSync(path, "utf8"), file: path },
      { engine: cpuEngine, checkpoint: {}, force: true },
      { ...watched.setting, now: () => now },
    );
    expect(target.at(-1)).toMatchObject({
      besides: { kind: "target", name: "target of width 16" },
      stacks: [{ trainings: [{ trial: 0, seed: 1 }] }],
    });
    expect(existsSync(join(folder, "run", runFiles.progress))).toBe(false);
  });

  it("goes on when what is in training cannot be written down, and says so once", async () => {
    let now = 0;
    const path = join(folder, "barred", runFiles.progress);
    const hindered = surroundings(folder, (event) => {
      now += 10;
      // A folder in its place cannot be replaced.
      if (event.event === "sweep_started") OpenFolder.make(path).close();
    });
    const { head } = await sweep(spec, into("barred"), { ...hindered.setting, now: () => now });
    expect(head.best).not.toBeNull();
    expect(hindered.of("note").filter(({ note }) => note.includes(runFiles.progress)).length).toBe(1);
  });
});

describe("what is read of a run that goes on", () => {
  const made = (name: string): string => writeRun(join(folder, name), reportSpec(8), 4);
  const live = { version: 1, fraction: 0.5, steps_per_second: 100, seconds_left: 60, stacks: [] };
  const stack = (trial: number): object => ({ step: 50, trainings: [{ trial, seed: 1, curve: [{ step: 0, validation_loss: null }] }] });
  const write = (path: string, content: unknown): void =>
    writeFileSync(join(path, runFiles.progress), typeof content === "string" ? content : JSON.stringify(content));
  async function whileHeld<T>(path: string, action: () => Promise<T> | T): Promise<T> {
    const opened = OpenFolder.make(path);
    const lock: Lock = takeLock(opened);
    try {
      return await action();
    } finally {
      lock.release();
      opened.close();
    }
  }

  it("leaves out what nobody trains any longer, and what has ended since", async () => {
    const path = made("left");
    write(path, { ...live, stacks: [stack(2), stack(4)] });
    expect(readStatus(path)).toMatchObject({ phase: "stopped", live: null });
    const { live: held, fraction } = await whileHeld(path, () => readStatus(path));
    expect(held?.stacks.map(({ trainings }) => trainings[0].trial)).toEqual([4]);
    expect(fraction).toBe(0.5);
  });

  it.each([
    "",
    "{",
    "[]",
    '{"version":2}',
    JSON.stringify({ ...live, fraction: 7 }),
    JSON.stringify({ ...live, stacks: [{ step: -1, trainings: [] }] }),
    "\u0000".repeat(100),
  ])("bears nonsense: %j", async (text) => {
    const path = made("nonsense");
    write(path, text);
    const status = await whileHeld(path, () => readStatus(path));
    expect([status.live, status.problem]).toEqual([null, expect.stringMatching(/^progress\.json is left out: ./)]);
  });

  it("is of each run that is kept with others", () => {
    writeRun(join(folder, "several", "mup-8"), reportSpec(4), 4);
    writeRun(join(folder, "several", "sp-8"), reportSpec(4), 2);
    const found = readStatuses(join(folder, "several"));
    expect("runs" in found && found.runs.map(({ folder: name, completed }) => [name.split("/").at(-1), completed])).toEqual([
      ["mup-8", 4],
      ["sp-8", 2],
    ]);
    expect(() => readStatuses(folder + "/none")).toThrow(/holds no run/);
  });

  it("is told again and again until the run ends", async () => {
    const path = made("watched");
    const phases: string[] = [];
    const opened = OpenFolder.make(path);
    const lock = takeLock(opened);
    await watchStatus(
      path,
      (status) => {
        if (phases.push("phase" in status ? status.phase : "") === 2) lock.release();
      },
      new AbortController().signal,
    );
    opened.close();
    expect(phases).toEqual(["running", "running", "stopped", "stopped"]);
  });

  it("is drawn anew when something has changed, while somebody looks, and no more than a tenth of the time", async () => {
    const path = made("drawn");
    let [now, watching, drawings] = [0, true, 0];
    const lost: string[] = [];
    const draw = ({ ranked, live: each }: FolderContents): Promise<string> => {
      drawings++;
      now += 1; // so long it takes
      return Promise.resolve(`${ranked.length} ended, ${each === undefined ? "none" : each.stacks.length} in training`);
    };
    const watched = new WatchedRun(path, 100, draw, { now: () => now, lost: (error) => lost.push(error.message) });
    const [one, other] = await Promise.all([watched.current(), watched.current()]);
    expect([one, other, drawings]).toEqual(["4 ended, none in training", "4 ended, none in training", 1]);
    now += 100;
    expect([await watched.current(), drawings]).toEqual([one, 1]); // nothing has changed
    write(path, { ...live, stacks: [stack(3), stack(4)] });
    await watched.current();
    expect(drawings).toBe(2);
    write(path, { ...live, stacks: [stack(4)] });
    now += 9;
    expect(await watched.current()).toBe("4 ended, none in training");
    now += 2;
    await whileHeld(path, async () => expect(await watched.current()).toBe("4 ended, 1 in training"));
    expect(drawings).toBe(3);

    const shown: string[] = [];
    const over = new AbortController();
    watching = false;
    const following = watched.follow(
      () => {
        now += 20;
        return watching;
      },
      (drawn) => {
        shown.push(drawn);
        over.abort();
      },
      over.signal,
    );
    const trials = [0, 1, 2, 3, 4].map((id) => ({ record: "trial" as const, trial: madeTrial(id) }));
    writeJournal(path, [runOf(reportSpec(8)), ...trials]);
    watching = true;
    await following;
    expect([shown, drawings]).toEqual([["5 ended, none in training"], 4]);

    now += 100;
    renameSync(path, `${path}-moved`);
    expect([await watched.current(), await watched.current()]).toEqual([shown[0], shown[0]]);
    expect(lost).toEqual([expect.stringContaining("holds no run")]);
    rmSync(`${path}-moved`, { recursive: true });
  });
});
