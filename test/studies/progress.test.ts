/** What events add up to, and that a folder's records add up to the same. */
import { describe, expect, it } from "vitest";
import { Progress } from "../../src/studies/progress.ts";
import type { SweepEvent } from "../../src/sweep/events.ts";
import { trial } from "../support/run.ts";

const started: SweepEvent = {
  ...{ event: "sweep_started", name: "s", trials: 4, resumed: 0, jobs: 1, steps: 10, trialSteps: 40, resumedSteps: 0 },
};
const after = (...events: readonly SweepEvent[]): Progress => {
  const progress = new Progress();
  for (const event of events) progress.apply(event);
  return progress;
};

describe("progress", () => {
  it("counts steps of stacks under way, from where each began here, and those that were made before", () => {
    const progress = after(
      started,
      { event: "stack_resumed", stack: 0, trials: [0, 1], step: 4 },
      { event: "stack_progress", stack: 0, trials: [0, 1], step: 7, validationLosses: [3, null] },
    );
    expect([progress.freshSteps, progress.doneSteps]).toEqual([6, 14]);
    expect(progress.running.get(0)).toEqual({ trials: [0, 1], step: 7, from: 4, validationLoss: 3 });
  });

  it("counts what was done before, from the last rung on, and takes no rate from it", () => {
    const progress = after(
      { ...started, resumed: 1, resumedSteps: 15, rungs: [5], best: { trial: 3, validationLoss: 2 } },
      { event: "stack_resumed", stack: 0, trials: [0], step: 7 },
      { event: "stack_progress", stack: 0, trials: [0], step: 8, validationLosses: [3] },
      { event: "trial_finished", trial: { ...trial(1, null), steps: 4 } },
    );
    // 15 before, 2 after the rung, 1 here, and 6 that a divergence spared.
    expect([progress.freshSteps, progress.doneSteps, progress.best, progress.isWhole]).toEqual([
      ...[1, 24],
      ...[{ trial: 3, validationLoss: 2 }, false],
    ]);
  });

  it("goes back to a checkpoint when a worker dies, and counts nothing twice", () => {
    const progress = after(
      started,
      { event: "stack_progress", stack: 0, trials: [0], step: 8, validationLosses: [3] },
      { event: "stack_retried", stack: 0, attempt: 2, reason: "died" },
      { event: "stack_resumed", stack: 0, trials: [0], step: 6 },
    );
    expect([progress.freshSteps, progress.doneSteps, progress.isWhole]).toEqual([6, 6, true]);
  });

  it("takes the steps after a divergence for made", () => {
    const progress = after(
      started,
      { event: "stack_progress", stack: 0, trials: [0], step: 4, validationLosses: [null] },
      { event: "trial_finished", trial: { ...trial(0, null), steps: 4 } },
      { event: "stack_finished", stack: 0, trials: [0], engineSeconds: 1 },
    );
    expect([progress.doneSteps, progress.running.size, progress.counts.diverged, progress.best]).toEqual([10, 0, 1, undefined]);
  });

  it("counts the trainings that racing adds, and what learned nothing, which is no best", () => {
    const progress = after(
      started,
      { event: "trial_finished", trial: { ...trial(0, 1), status: "untrained" } },
      { event: "seed_added", trials: [1, 2], seed: 7, seeds: 3 },
    );
    expect([progress.trainings, progress.trialSteps, progress.counts.untrained, progress.best]).toEqual([6, 60, 1, undefined]);
  });

  it("counts a trial once that went on from a rung, as what became of it", () => {
    const atRung = { ...trial(0), status: "stopped" as const, steps: 5 };
    const progress = after(started, { event: "rung_reached", trial: atRung }, { event: "trial_finished", trial: trial(0, 2) });
    expect([progress.counts.stopped, progress.counts.completed, progress.best]).toEqual([0, 1, { trial: 0, validationLoss: 2 }]);
  });

  it("is never more than everything", () => {
    const progress = after(started, { event: "stack_progress", stack: 0, trials: [0, 1, 2, 3, 4], step: 10, validationLosses: [] });
    expect([progress.freshSteps, progress.doneSteps]).toEqual([50, 40]);
  });
});
