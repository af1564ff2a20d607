import { describe, expect, it } from "vitest";
import { renderDiagnostics } from "../../src/report/diagnostics.ts";
import { jsonLine } from "../../src/json.ts";
import { bytesOf, countOf, duration, flopsOf, percentOf } from "../../src/numbers.ts";
import { lineOf, progressBlock, progressLine } from "../../src/report/progress.ts";
import { renderRanking } from "../../src/report/ranking.ts";
import { colored, plain } from "../../src/report/style.ts";
import { Progress } from "../../src/studies/progress.ts";
import type { SweepEvent } from "../../src/sweep/events.ts";
import { endedTrial as trial } from "../support/run.ts";

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
        { code: "c", message: "wrong", path: "x", position: place, hint: "do this" },
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
});

it("every part of the ranking fits 40 columns", () => {
  const names = ["learning_rate", "init_std", "embedding_std", "output_multiplier", "attention_multiplier"] as const;
  const trials = [1, 2].map((id) => trial(id, id, Object.fromEntries(names.map((name) => [name, 1 / (3 * id)]))));
  for (const columns of [40, 80]) {
    const lines = renderRanking(trials, 30, [], { ...plain, columns }).split("\n");
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
    expect(lines[0]).toMatch(/^rank +trial +loss +learning_rate/);
    expect(lines.join(" ")).toMatch(/more columns in a +wider +terminal/);
  }
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
    seed: 1,
  } as const;

  /** What is shown after some events, and the lines that they were worth. */
  const after = (...events: readonly SweepEvent[]): { readonly progress: Progress; readonly lines: readonly (string | undefined)[] } => {
    const progress = new Progress();
    const lines = events.map((event) => {
      const line = lineOf(event, progress, plain);
      progress.apply(event);
      return line;
    });
    return { progress, lines };
  };

  it("counts what is done, running and left, and shows the best", () => {
    const { progress, lines } = after(
      started,
      { event: "stack_progress", stack: 0, trials: [1], seeds: [1], evaluations: [], step: 50, validationLosses: [2.5] },
      { event: "stack_progress", stack: 1, trials: [2], seeds: [1], evaluations: [], step: 100, validationLosses: [2.25] },
      { event: "trial_finished", trial: { ...trial(2, 2.25, {}), steps: 100 } },
      { event: "stack_finished", stack: 1, trials: [2], engineSeconds: 1 },
    );
    expect(lines).toEqual(["continuing: 1 of 4 trainings are in the journal already", undefined, undefined, undefined, undefined]);
    // 1.5 of 3 fresh trials in 10 s: 10 s more, 15 steps a second.
    expect(progressLine(progress, 10)).toBe("s: 62 % · 2/4 trainings · 15 steps/s · 0:10 left · best 2.2500 (trial 2)");
    expect(progressBlock(progress, 10, plain)).toEqual([
      `s ${"█".repeat(15)}${"░".repeat(9)} 62 % · 2/4 trainings · 15 steps/s · 0:10 left`,
      "  trial 1: step 50/100, validation loss 2.5000",
      "  best 2.2500 (trial 2)",
    ]);
  });

  it("says at once what a user must know", () => {
    const { lines } = after(
      started,
      { event: "stack_retried", stack: 0, attempt: 2, reason: "killed" },
      { event: "trial_finished", trial: trial(1, null, {}) },
      { event: "trial_finished", trial: trial(2, null, {}, "died") },
    );
    expect(lines.slice(1)).toEqual(["stack 0 is tried again (attempt 2): killed", "trial 1 diverged", "trial 2 failed: died"]);
  });

  it("takes going on for news, but not from a rung", () => {
    const { lines } = after(
      started,
      { event: "stack_resumed", stack: 0, trials: [1, 2], step: 7 },
      { event: "rung_reached", trial: { ...trial(1, 2, {}), status: "stopped", steps: 20 } },
      { event: "stack_resumed", stack: 1, trials: [1], step: 20 },
    );
    expect(lines.slice(1)).toEqual(["trials 1–2: going on from step 7", undefined, undefined]);
  });
});

it("JSON for users has snake_case keys at every depth", () => {
  expect(jsonLine({ oneTwo: [{ threeFour: 1 }], learning_rate: 2 })).toBe('{"one_two":[{"three_four":1}],"learning_rate":2}\n');
});
