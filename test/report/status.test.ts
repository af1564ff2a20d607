/** What a run's status is as text, at every phase. */
import { describe, expect, it } from "vitest";
import { paceText, spanOf } from "../../src/report/live.ts";
import { renderStatus, renderStatusOfMany, statusLine, type StatusView } from "../../src/report/status.ts";
import { plain } from "../../src/report/style.ts";
import type { LiveRun, LiveTraining } from "../../src/studies/live.ts";

const training = (trial: number, seed: number, ...losses: readonly (number | null)[]): LiveTraining => ({
  trial,
  seed,
  curve: losses.map((validationLoss, index) => ({ step: 100 * index, validationLoss })),
});
const live: LiveRun = {
  ...{ fraction: 0.429, stepsPerSecond: 1234.5, secondsLeft: 3 * 3600 + 5 * 60 },
  stacks: [{ step: 210, trainings: [training(3, 1, 4.5, 2.5), training(4, 1, 4.5, null), training(2, 7, 4.5, 2.25)] }],
};
const status: StatusView = {
  ...{
    folder: "runs/a",
    name: "a",
    planned: 8,
    isDone: false,
    phase: "running",
    fraction: 0.429,
    live,
    problem: null,
    seed: 1,
    steps: 600,
  },
  ...{
    completed: 3,
    stopped: 0,
    undecided: 0,
    untrained: 0,
    diverged: 1,
    failed: 0,
    best: { trial: 1, validationLoss: 2.125 },
    engine: "native",
  },
  ...{ process: { pid: 7, host: "h", running: true }, checkpoints: [], notes: [], tornBytes: 0, damages: [] },
};
const idle = { live: null, process: null };

describe("a status as text", () => {
  it("of a run that goes on has its percent, time, rate and curves", () =>
    expect(renderStatus(status, plain).split("\n")).toEqual([
      "a: running: process 7 on h",
      "42 % done, about 3 h 5 min left, 1235 steps/s",
      "trainings: 3 completed, 1 diverged, 4 of 8 still to be trained",
      "in training: step 210 of 600",
      "  loss after step       0       100",
      "  trial 2, seed 7  4.5000    2.2500",
      "  trial 3          4.5000    2.5000",
      "  trial 4          4.5000  diverged",
      "best so far: trial 1, validation loss 2.1250 nats",
      "engine: native",
    ]));

  it("of one that was stopped, died or ended has no time, and names the winner at the end", () => {
    const linesOf = (more: Partial<StatusView>): readonly string[] => renderStatus({ ...status, ...idle, ...more }, plain).split("\n");
    expect(linesOf({ phase: "stopped" }).slice(0, 2)).toEqual(["a: stopped: the same sweep command continues it", "42 % done"]);
    const died = { pid: 7, host: "h", running: false };
    expect(linesOf({ phase: "died", process: died }).slice(0, 2)).toEqual([
      "a: died: process 7 on h is no more; the same sweep command continues the run",
      "42 % done",
    ]);
    const ended = { phase: "finished", isDone: true, fraction: 1, completed: 7 } as const;
    expect(linesOf(ended).slice(0, 3)).toEqual([
      "a: finished",
      "trainings: 7 completed, 1 diverged",
      "winner: trial 1, validation loss 2.1250 nats",
    ]);
    expect(linesOf({ ...ended, best: null })).toContain("winner: none");
    expect(linesOf({ ...ended, process: died })[0]).toBe("a: finished; process 7 on h, which worked in the folder after that, died");
    expect(linesOf({ problem: "progress.json is left out: no" })).toContain("progress.json is left out: no");
  });

  it("tells of a target, and of the check before it, by its own name", () => {
    const besides = (kind: "check" | "target", name: string): string =>
      renderStatus(
        { ...status, isDone: true, live: { ...live, stacks: [{ step: 10, trainings: [training(0, 1, 4.5)] }], besides: { kind, name } } },
        plain,
      );
    expect(besides("target", "target of width 64")).toMatch(
      /\ntarget of width 64: 42 % done, about .+\n[^]*\n {2}target +4\.5000\nwinner: trial 1/,
    );
    expect(besides("check", "check at width 32")).toMatch(/\ncheck at width 32: 42 % done, [^]*\n {2}model 1 +4\.5000\n/);
  });

  it("of many trainings and evaluations shows the best and the latest", () => {
    const trainings = Array.from({ length: 20 }, (_, id) => training(id, 1, ...Array.from({ length: 9 }, (__, at) => 5 + id - at / 10)));
    const text = renderStatus({ ...status, live: { ...live, stacks: [{ step: 850, trainings }] } }, plain);
    expect(text).toMatch(
      /\n {2}loss after step +400 +500 +600 +700 +800\n {2}trial 0 .*\n[^]* {2}trial 11 .*\n {2}… and 8 more, with higher losses\n/,
    );
  });

  it("is one line for logs, and one for each run that is kept with others", () => {
    expect(statusLine(status)).toBe(
      "a: 42 % done, about 3 h 5 min left, 1235 steps/s; 3 completed, 1 diverged, 4 of 8 still to be trained; best so far: trial 1, validation loss 2.1250 nats",
    );
    const runs = [
      { ...status, folder: "c/mup-8", ...idle, isDone: true, phase: "finished" as const },
      { ...status, folder: "c/sp-8" },
    ];
    const text = renderStatusOfMany({ folder: "c", runs: runs.map((run) => ({ ...run, generalization: undefined })) }, plain);
    expect(text).toMatch(
      /^c: 2 sweeps begun, 1 finished\nmup-8: finished; 3 completed, 1 diverged\nsp-8: running: process 7 on h; 42 % done, [^]*\n {2}in training: step 210 of 600\n/,
    );
  });

  it("says spans as people do", () => {
    expect([0, 1.2, 59, 60, 3599, 3600, 47.9 * 3600, 100 * 3600].map(spanOf)).toEqual([
      "1 s",
      "1 s",
      "59 s",
      "1 min",
      "1 h 0 min",
      "1 h 0 min",
      "47 h 54 min",
      "4 d 4 h",
    ]);
    expect([paceText(0.999, { secondsLeft: null, stepsPerSecond: 0.123 }), paceText(1, null)]).toEqual([
      "99 % done, 0.12 steps/s",
      "100 % done",
    ]);
  });
});
