/** Studies in the hands of a program: they print nothing, end nothing but themselves, and leave nothing behind. */
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { holdFolder } from "../../src/run/hold.ts";
import { makeRunFolder, runFiles } from "../../src/run/run-folder.ts";
import { readPlan, type SpecFile } from "../../src/spec/read.ts";
import { checkCoordinates } from "../../src/studies/coord-check.ts";
import { curves } from "../../src/studies/curves.ts";
import type { StudyEvent } from "../../src/studies/events.ts";
import { forecast } from "../../src/studies/forecast.ts";
import { report } from "../../src/studies/report.ts";
import type { Setting } from "../../src/studies/setting.ts";
import { readStatus } from "../../src/studies/status.ts";
import { Stopped } from "../../src/studies/stopping.ts";
import { sweep, type SweepOptions } from "../../src/studies/sweep.ts";
import { transfer, type ResultsFile, type TransferOptions } from "../../src/studies/transfer.ts";
import { temporaryFolder } from "../support/folder.ts";
import { cpuEngine } from "../support/native.ts";
import { surroundings, tinySpec } from "../support/study.ts";

const folder = temporaryFolder();
const spec: SpecFile = { text: tinySpec(), file: "tiny.yaml", directory: folder };
const other: SpecFile = { ...spec, text: tinySpec().replace("steps: 60", "steps: 40") };
const into = (name: string, more: Partial<SweepOptions> = {}): SweepOptions => ({
  ...{ out: join(folder, name), engine: cpuEngine, jobs: 2, stack: 2, checkpoint: { steps: 10 } },
  ...more,
});
const target = (name: string, more: Partial<TransferOptions> = {}): TransferOptions => ({
  ...{ out: join(folder, name), engine: cpuEngine, checkpoint: { steps: 10 }, force: true },
  ...more,
});
const bytes = (name: string, file: string): string => readFileSync(join(folder, name, file), "latin1");
const later = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Processes that this one has started and that have not ended. */
const children = (): readonly string[] =>
  readFileSync(`/proc/self/task/${process.pid}/children`, "utf8")
    .split(" ")
    .filter((pid) => pid !== "" && !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z "));
/** What this process holds open below the test's folder. */
const held = (): readonly string[] =>
  readdirSync("/proc/self/fd").flatMap((name) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${name}`);
      return path.startsWith(folder) && !path.includes("/cache") ? [path] : [];
    } catch {
      return []; // it was the descriptor of this very list
    }
  });
const isLinux = process.platform === "linux";
/** Nothing is held, nobody works, and the folder can be taken. */
async function expectGivenBack(name: string): Promise<void> {
  if (isLinux) {
    await expect.poll(children, { timeout: 500 }).toEqual([]);
    expect(held()).toEqual([]);
  }
  holdFolder(makeRunFolder(join(folder, name))).close();
}

let results: ResultsFile;
beforeAll(async () => {
  const { path } = await sweep(spec, into("whole"), surroundings(folder).setting);
  results = { text: readFileSync(path, "utf8"), file: path };
  await transfer(results, target("target"), surroundings(folder).setting);
});
afterEach(() => {
  vi.restoreAllMocks();
});

it("a study prints nothing and ends no process", async () => {
  const spies = [
    vi.spyOn(process.stdout, "write").mockReturnValue(true),
    vi.spyOn(process.stderr, "write").mockReturnValue(true),
    vi.spyOn(process, "exit").mockReturnValue(undefined as never),
  ];
  const listeners = process.listenerCount("SIGINT");
  await sweep(spec, into("silent"), surroundings(folder).setting);
  await transfer(results, target("silent-target", { width: 16 }), surroundings(folder).setting);
  const calls = spies.map(({ mock }) => mock.calls);
  vi.restoreAllMocks();
  expect(calls).toEqual([[], [], []]);
  expect(process.listenerCount("SIGINT")).toBe(listeners);
  await expectGivenBack("silent");
});

describe("two studies at the same time", () => {
  it("come to what each comes to alone, and hear of nothing but themselves", async () => {
    await sweep(other, into("other"), surroundings(folder).setting);
    const [first, second] = [surroundings(folder), surroundings(folder)];
    await Promise.all([sweep(spec, into("first"), first.setting), sweep(other, into("second"), second.setting)]);
    expect(bytes("first", runFiles.results)).toBe(bytes("whole", runFiles.results));
    expect(bytes("second", runFiles.results)).toBe(bytes("other", runFiles.results));
    expect([first, second].map(({ of }) => new Set(of("sweep_started").map(({ steps }) => steps)))).toEqual([new Set([60]), new Set([40])]);
    expect([first, second].map(({ of }) => of("trial_finished").length)).toEqual([8, 8]);
  });

  it("are stopped one without the other", async () => {
    const stopped = surroundings(folder, (event, stop) => event.event === "stack_progress" && stop());
    const ended = await Promise.allSettled([
      sweep(spec, into("one-stopped"), stopped.setting),
      sweep(other, into("other-goes-on"), surroundings(folder).setting),
    ]);
    expect(ended.map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
    expect(bytes("other-goes-on", runFiles.results)).toBe(bytes("other", runFiles.results));
  });

  it("do not share a folder: the second is refused, and the first is none the worse for it", async () => {
    const refusals: Promise<unknown>[] = [];
    const second = (): unknown => sweep(spec, into("shared"), surroundings(folder).setting).catch((error: unknown) => error);
    const first = surroundings(folder, (event) => event.event === "sweep_started" && refusals.push(Promise.resolve(second())));
    await sweep(spec, into("shared"), first.setting);
    expect(await Promise.all(refusals)).toMatchObject([{ kind: "locked", diagnostics: [{ code: "folder_locked" }] }]);
    expect(bytes("shared", runFiles.results)).toBe(bytes("whole", runFiles.results));
    await expectGivenBack("shared");
  });
});

describe("whoever is told of events and throws", () => {
  const thrown = new Error("the listener failed");
  const throwsAt = (kind: StudyEvent["event"]): ReturnType<typeof surroundings> =>
    surroundings(folder, (event, stop) => {
      if (kind === "stopping" && event.event === "stack_progress") setTimeout(stop);
      if (event.event === kind) throw thrown;
    });
  const ofSweep = [
    ...(["plan_read", "run_opened", "setup_chosen", "sweep_started", "stack_progress"] as const),
    ...(["trial_finished", "stack_finished", "training_over", "sweep_finished"] as const),
  ];

  it.each(ofSweep)("ends a sweep at %s, which keeps what it has and goes on from there", async (kind) => {
    const name = `throws-${kind}`;
    await expect(sweep(spec, into(name), throwsAt(kind).setting)).rejects.toBe(thrown);
    await expectGivenBack(name);
    const journal = kind === "plan_read" || kind === "run_opened" || kind === "setup_chosen" ? "" : bytes(name, runFiles.journal);
    await sweep(spec, into(name), surroundings(folder).setting);
    expect(bytes(name, runFiles.journal).startsWith(journal)).toBe(true);
    expect(bytes(name, runFiles.results)).toBe(bytes("whole", runFiles.results));
  });

  it.each(["launch_planned", "setup_chosen", "sweep_started", "stack_progress", "training_over"] as const)(
    "ends a transfer at %s, which goes on from there",
    async (kind) => {
      const name = `target-throws-${kind}`;
      await expect(transfer(results, target(name), throwsAt(kind).setting)).rejects.toBe(thrown);
      await expectGivenBack(name);
      await transfer(results, target(name), surroundings(folder).setting);
      expect(bytes(name, runFiles.weights)).toBe(bytes("target", runFiles.weights));
    },
  );
});

describe("a stop", () => {
  const twice = (when: (event: StudyEvent) => boolean): ReturnType<typeof surroundings> => {
    let asked = false;
    return surroundings(folder, (event, stop) => {
      if (asked || !when(event)) return;
      asked = true;
      setTimeout(stop);
      setTimeout(stop, 5);
    });
  };

  it.each(["setup_chosen", "sweep_started", "stack_progress", "trial_finished", "stack_finished"] as const)(
    "at once, asked for at %s, leaves nobody at work and says nothing more",
    async (kind) => {
      const name = `stopped-${kind}`;
      const { setting, events } = twice(({ event }) => event === kind);
      await expect(sweep(spec, into(name), setting)).rejects.toBeInstanceOf(Stopped);
      const told = events.length;
      expect(events.at(-1)).toEqual({ event: "training_over" });
      await expectGivenBack(name);
      await later(200);
      expect(events.length).toBe(told);
      await sweep(spec, into(name), surroundings(folder).setting);
      expect(bytes(name, runFiles.results)).toBe(bytes("whole", runFiles.results));
    },
  );

  it("at once during a check of coordinates ends the check's own workers, before the folder is given back", async () => {
    const { setting, events } = twice((event) => event.event === "size_started" && event.size === 512);
    await expect(transfer(results, target("checked", { width: 64 }), setting)).rejects.toBeInstanceOf(Stopped);
    const told = events.length;
    await expectGivenBack("checked");
    await later(200);
    expect(events.length).toBe(told);
  });

  const leavesNothing: readonly (readonly [StudyEvent["event"], string, (setting: Setting) => Promise<unknown>])[] = [
    ...(["plan_counted", "timing_started"] as const).map(
      (kind) =>
        [
          kind,
          "a forecast",
          async (setting: Setting) =>
            forecast(await readPlan(spec, setting.host.cache), { out: join(folder, "whole"), engine: cpuEngine }, setting),
        ] as const,
    ),
    ...(["engine_chosen", "size_started"] as const).map(
      (kind) =>
        [
          kind,
          "a coordinate check",
          async (setting: Setting) =>
            checkCoordinates(
              await readPlan(spec, setting.host.cache),
              { axis: "width", seeds: 5, steps: 10, out: join(folder, "check") },
              setting,
            ),
        ] as const,
    ),
  ];
  it.each(leavesNothing)("asked for once at %s ends %s at once, with nothing to go on from", async (kind, _, study) => {
    let isAsked = false;
    const { setting, events } = surroundings(folder, ({ event }, stop) => {
      if (event === kind && !isAsked) setTimeout(stop);
      isAsked ||= event === kind;
    });
    const started = performance.now();
    await expect(study(setting)).rejects.toEqual(expect.objectContaining({ left: "nothing" }));
    expect(performance.now() - started).toBeLessThan(3000);
    const told = events.length;
    if (isLinux) {
      await expect.poll(children, { timeout: 500 }).toEqual([]);
      expect(held()).toEqual([]);
    }
    expect(existsSync(join(folder, "check"))).toBe(false);
    await later(200);
    expect(events.length).toBe(told);
  });

  it("that comes too late for one training holds for the next", async () => {
    let isDone = false;
    const { setting, of } = surroundings(folder, (event, stop) => {
      // The last that a curve's training says before it is over.
      isDone ||= event.event === "stack_finished" && event.stack === 3;
      if (isDone && event.event === "stack_finished") stop();
    });
    const lines = "curves: {widths: [8, 16], learning_rates: {min: 0.01, max: 0.1, count: 4}, seeds: 2, parametrizations: [mup]}\n";
    const plan = await readPlan({ ...spec, text: tinySpec(lines) }, setting.host.cache);
    await expect(curves(plan, spec.file, into("curves", { jobs: 1 }), setting)).rejects.toBeInstanceOf(Stopped);
    expect(of("trial_finished").length).toBe(8);
    await expectGivenBack("curves");
  });
});

describe("a refusal", () => {
  const refusals: readonly (readonly [string, string, () => Promise<unknown>])[] = [
    ["a folder with a link in it", "disagreement", () => sweep(spec, into("linked"), surroundings(folder).setting)],
    ["another spec's folder", "disagreement", () => sweep(other, into("whole"), surroundings(folder).setting)],
    ["a target in a folder with a link in it", "disagreement", () => transfer(results, target("linked"), surroundings(folder).setting)],
    ["a damaged journal", "disagreement", () => sweep(spec, into("damaged"), surroundings(folder).setting)],
    ["a status of no journal", "disagreement", () => Promise.resolve().then(() => readStatus(join(folder, "no-journal")))],
    [
      "a page of no run",
      "usage",
      () =>
        report(
          join(folder, "cache"),
          { mostTrials: 10 },
          () => undefined,
          () => Promise.reject(new Error()),
        ),
    ],
    [
      "sizes that no slope can be told from",
      "usage",
      async () => {
        const { setting } = surroundings(folder);
        const plan = await readPlan(spec, setting.host.cache);
        return checkCoordinates(plan, { axis: "width", sizes: [8, 16], seeds: 2, steps: 2 }, setting);
      },
    ],
  ];
  beforeAll(() => {
    for (const name of ["linked", "damaged", "no-journal"]) mkdirSync(join(folder, name));
    mkdirSync(join(folder, "linked", runFiles.results));
    const lines = bytes("whole", runFiles.journal).split("\n");
    writeFileSync(join(folder, "damaged", runFiles.journal), [lines[0], lines[1].replace("0", "1"), ...lines.slice(2)].join("\n"));
    writeFileSync(join(folder, "no-journal", runFiles.journal), "no line\n".repeat(10_001));
  });

  it.each(refusals)("of %s has a kind (%s), and leaves nothing open", async (_, kind, refused) => {
    await expect(refused()).rejects.toMatchObject({ kind });
    if (isLinux) expect(held()).toEqual([]);
  });

  it.each([
    ["a sweep", () => sweep(spec, into("busy"), surroundings(folder).setting)],
    ["a transfer", () => transfer(results, target("busy"), surroundings(folder).setting)],
  ])("of %s in a folder that somebody has leaves nothing open", async (_, refused) => {
    const holder = holdFolder(makeRunFolder(join(folder, "busy")));
    const before = held().length;
    await expect(refused()).rejects.toMatchObject({ kind: "locked" });
    expect(held().length).toBe(before);
    holder.close();
  });
});

it("a folder that is moved away ends the sweep within seconds, and the same folder goes on", async () => {
  const name = "moved";
  let isMoved = false;
  const { setting } = surroundings(folder, (event) => {
    if (isMoved || event.event !== "trial_finished") return;
    isMoved = true;
    renameSync(join(folder, name), join(folder, "elsewhere"));
  });
  await expect(sweep(spec, into(name), setting)).rejects.toMatchObject({ kind: "io", diagnostics: [{ code: "folder_gone" }] });
  renameSync(join(folder, "elsewhere"), join(folder, name));
  await expectGivenBack(name);
  await sweep(spec, into(name), surroundings(folder).setting);
  expect(bytes(name, runFiles.results)).toBe(bytes("whole", runFiles.results));
});
