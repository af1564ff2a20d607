/** What events add up to, and that a folder's records add up to the same. */
import { describe, expect, it } from "vitest";
import { Progress } from "../../src/studies/progress.ts";
import type { Evaluation, SweepEvent } from "../../src/sweep/events.ts";
import { trial } from "../support/run.ts";

const started: SweepEvent = {
  ...{ event: "sweep_started", name: "s", trials: 4, resumed: 0, jobs: 1, steps: 10, trialSteps: 40, resumedSteps: 0 },
};
/** Progress of stack 0, whose trainings are of one seed. */
const progressed = (
  trials: readonly number[],
  step: number,
  validationLosses: readonly (number | null)[],
  evaluations: readonly Evaluation[] = [],
): SweepEvent => ({ event: "stack_progress", stack: 0, trials, seeds: trials.map(() => 1), step, validationLosses, evaluations });
const after = (...events: readonly SweepEvent[]): Progress => {
  const progress = new Progress();
  for (const event of events) progress.apply(event);
  return progress;
};

describe("progress", () => {
  it("counts steps of stacks under way, from where each began here", () => {
    const progress = after(started, { event: "stack_resumed", stack: 0, trials: [0, 1], step: 4 }, progressed([0, 1], 7, [3, null]));
    expect([progress.freshSteps, progress.doneSteps]).toEqual([6, 6]);
    expect(progress.running.get(0)).toMatchObject({ trials: [0, 1], step: 7, from: 4, validationLoss: 3 });
  });

  it("has each training's curve so far, once, also of what a worker tells again that goes on after another has died", () => {
    const at = (trial: number, step: number, validationLoss: number | null): Evaluation => ({ trial, seed: 1, step, validationLoss });
    const progress = after(
      started,
      progressed([0, 1], 0, [4, 4], [at(0, 0, 4), at(1, 0, 4.5)]),
      progressed([0, 1], 3, [4, 4]),
      progressed([0, 1], 5, [3, null], [at(0, 5, 3), at(1, 5, null)]),
      { event: "stack_retried", stack: 0, attempt: 2, reason: "killed" },
      progressed([0, 1], 2, [3.5, 4], [at(0, 0, 4), at(1, 0, 4.5), at(0, 2, 3.5)]),
    );
    expect(progress.running.get(0)?.trainings).toEqual([
      {
        trial: 0,
        seed: 1,
        curve: [
          { step: 0, validationLoss: 4 },
          { step: 2, validationLoss: 3.5 },
        ],
      },
      { trial: 1, seed: 1, curve: [{ step: 0, validationLoss: 4.5 }] },
    ]);
  });

  it("tells a rate and the time left from what was made here, and none before", () => {
    const resumed = { ...started, resumedSteps: 20 } as SweepEvent;
    expect(after(resumed).pace(10)).toEqual({ fraction: 0.5, stepsPerSecond: null, secondsLeft: null });
    expect(after(resumed, progressed([0], 10, [3])).pace(5)).toEqual({ fraction: 0.75, stepsPerSecond: 2, secondsLeft: 5 });
  });

  it("counts what was done before, and takes no rate from it", () => {
    const progress = after(
      { ...started, resumed: 1, resumedSteps: 17, rungs: [5], best: { trial: 3, validationLoss: 2 } },
      { event: "stack_resumed", stack: 0, trials: [0], step: 7 },
      progressed([0], 8, [3]),
      { event: "trial_finished", trial: { ...trial(1, null), steps: 4 } },
    );
    // 17 before, those in a checkpoint among them, 1 here, and 6 that a divergence spared.
    expect([progress.freshSteps, progress.doneSteps, progress.best, progress.isWhole]).toEqual([
      ...[1, 24],
      ...[{ trial: 3, validationLoss: 2 }, false],
    ]);
  });

  it("goes back to a checkpoint when a worker dies, and counts nothing twice", () => {
    const progress = after(
      started,
      progressed([0], 8, [3]),
      { event: "stack_retried", stack: 0, attempt: 2, reason: "died" },
      { event: "stack_resumed", stack: 0, trials: [0], step: 6 },
    );
    expect([progress.freshSteps, progress.doneSteps, progress.isWhole]).toEqual([6, 6, true]);
  });

  it("takes the steps after a divergence for made", () => {
    const progress = after(
      started,
      progressed([0], 4, [null]),
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
    const progress = after(started, progressed([0, 1, 2, 3, 4], 10, []));
    expect([progress.freshSteps, progress.doneSteps]).toEqual([50, 40]);
  });
});
