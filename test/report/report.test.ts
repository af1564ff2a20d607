import { describe, expect, it } from "vitest";
import { renderDiagnostics } from "../../src/report/diagnostics.ts";
import { jsonLine } from "../../src/report/json.ts";
import { bytesOf, countOf, duration, flopsOf, percentOf } from "../../src/report/numbers.ts";
import { SweepProgress } from "../../src/report/progress.ts";
import { renderRanking, trialsCsv } from "../../src/report/ranking.ts";
import { colored, plain } from "../../src/report/style.ts";
import type { TrialResult } from "../../src/sweep/trial-result.ts";

const trial = (id: number, loss: number | null, hyperparameters: Record<string, number>, reason?: string): TrialResult => ({
  id,
  seed: 1,
  hyperparameters,
  status: reason ? "failed" : loss === null ? "diverged" : "completed",
  validation_loss: loss,
  steps: 10,
  curve: [],
  ...(reason && { reason }),
});

it("numbers read as people write them", () => {
  expect([duration(7), duration(754), duration(11109)]).toEqual(["0:07", "12:34", "3:05:09"]);
  expect([countOf(999), countOf(1234), countOf(1.2e6), countOf(7e9)]).toEqual(["999", "1.23k", "1.2M", "7B"]);
  expect([flopsOf(3.52e12), bytesOf(1536)]).toEqual(["3.52 TFLOP", "1.5 KiB"]);
  expect([percentOf(0.0712), percentOf(1.3)]).toEqual(["7.1 %", "130 %"]);
});

it("diagnostics point at their column and give the way out", () => {
  const place = { file: "a.yaml", line: 2, column: 4, excerpt: "\tx: y" };
  expect(
    renderDiagnostics(
      [
        { code: "c", message: "wrong", path: "x", place, hint: "do this" },
        { code: "d", message: "also" },
      ],
      plain,
    ),
  ).toBe(["a.yaml:2:4 x: wrong [c]", "    \tx: y", "    \t  ^", "    do this", "also [d]", "2 mistakes"].join("\n"));
});

describe("the ranking", () => {
  const ranked = [
    trial(2, 1.23456, { learning_rate: 0.012345678, init_std: 1 }),
    trial(0, 2, { learning_rate: 0.1, init_std: 1 }),
    trial(1, null, { learning_rate: 1, init_std: 1 }),
  ];

  it("has a column for each hyperparameter that varies", () => {
    expect(
      renderRanking(ranked, ranked.length, [], plain)
        .split("\n")
        .map((line) => line.trim().split(/ +/)),
    ).toEqual([
      ["rank", "trial", "loss", "learning_rate"],
      ["1", "2", "1.2346", "0.012346"],
      ["2", "0", "2.0000", "0.1"],
      ["3", "1", "diverged", "1"],
    ]);
  });

  it("aligns its columns in colour as without", () => {
    expect(renderRanking(ranked, ranked.length, [], colored).replace(/\u001b\[\d+m/g, "")).toBe(
      renderRanking(ranked, ranked.length, [], plain),
    );
  });

  it("as CSV has every trial and hyperparameter, exactly", () => {
    expect([...trialsCsv([...ranked, trial(3, null, { learning_rate: 2, init_std: 1 }, 'died, "badly"')], 1)].join("")).toBe(
      [
        "rank,trial,status,validation_loss,steps,seed,learning_rate,init_std,reason",
        "1,2,completed,1.23456,10,1,0.012345678,1,",
        "2,0,completed,2,10,1,0.1,1,",
        "3,1,diverged,,10,1,1,1,",
        '4,3,failed,,10,1,2,1,"died, ""badly"""',
        "",
      ].join("\n"),
    );
  });
});

describe("progress", () => {
  const started = {
    event: "sweep_started",
    name: "s",
    trials: 4,
    resumed: 1,
    jobs: 2,
    steps: 100,
    trialSteps: 400,
    resumedSteps: 100,
  } as const;

  it("counts what is done, running and left, and shows the best", () => {
    const progress = new SweepProgress(100);
    expect(progress.apply(started, plain)).toBe("continuing: 1 of 4 trials are in the journal already");
    progress.apply({ event: "stack_progress", stack: 0, trials: [1], step: 50, validationLosses: [2.5] }, plain);
    progress.apply({ event: "stack_progress", stack: 1, trials: [2], step: 100, validationLosses: [2.25] }, plain);
    expect(progress.apply({ event: "trial_finished", trial: { ...trial(2, 2.25, {}), steps: 100 } }, plain)).toBeUndefined();
    progress.apply({ event: "stack_finished", stack: 1, trials: [2], engineSeconds: 1 }, plain);
    // 1.5 of 3 fresh trials in 10 s: 10 s more, 15 steps a second.
    expect(progress.line(110)).toBe("s: 62 % · 2/4 trials · 15 steps/s · 0:10 left · best 2.2500 (trial 2)");
    expect(progress.block(110, plain)).toEqual([
      `s ${"█".repeat(15)}${"░".repeat(9)} 62 % · 2/4 trials · 15 steps/s · 0:10 left`,
      "  trial 1: step 50/100, validation loss 2.5000",
      "  best 2.2500 (trial 2)",
    ]);
  });

  it("says at once what a user must know", () => {
    const progress = new SweepProgress(0);
    progress.apply(started, plain);
    expect(progress.apply({ event: "stack_retried", stack: 0, attempt: 2, reason: "killed" }, plain)).toBe(
      "stack 0 is tried again (attempt 2): killed",
    );
    expect(progress.apply({ event: "trial_finished", trial: trial(1, null, {}) }, plain)).toBe("trial 1 diverged");
    expect(progress.apply({ event: "trial_finished", trial: trial(2, null, {}, "died") }, plain)).toBe("trial 2 failed: died");
  });
});

it("JSON for users has snake_case keys at every depth", () => {
  expect(jsonLine({ oneTwo: [{ threeFour: 1 }], learning_rate: 2 })).toBe('{"one_two":[{"three_four":1}],"learning_rate":2}\n');
});
