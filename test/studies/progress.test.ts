/** What events add up to, and that a folder's records add up to the same. */
import { describe, expect, it } from "vitest";
import { Progress } from "../../src/studies/progress.ts";
import type { Evaluation, SweepEvent } from "../../src/sweep/events.ts";
import { trial } from "../support/run.ts";

const started: SweepEvent = {
  ...{ event: "sweep_started", name: "s", trials: 4, resumed: 0, jobs: 1, steps: 10, trialSteps: 40, resumedSteps: 0, seed: 1 },
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
    // 17 before, those in a checkpoint among them, 1 here, and 1 up to the rung that a divergence spared.
    expect([progress.freshSteps, progress.doneSteps, progress.best, progress.isWhole]).toEqual([
      ...[1, 19],
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

  it("counts trials that went on from a rung as what became of them, and others when they are stopped for good", () => {
    const atRung = (id: number): SweepEvent => ({ event: "rung_reached", trial: { ...trial(id), status: "stopped", steps: 5 } });
    const progress = after(started, atRung(0), atRung(1), { event: "trial_finished", trial: trial(0, 2) });
    expect([progress.ended.size, progress.stoppedEarly, progress.best]).toEqual([1, 0, { trial: 0, validationLoss: 2 }]);
    progress.apply({ event: "trials_stopped", trials: [1] });
    expect([progress.ended.size, progress.stoppedEarly]).toEqual([1, 1]);
  });

  it("spares after a divergence what was planned up to the next rung, and all of a training that knows no rungs", () => {
    const diverged = (seed: number): SweepEvent => ({
      event: "trial_finished",
      trial: { ...trial(0, null, seed), status: "diverged", steps: 2 },
    });
    const begun = { ...started, rungs: [3, 6] } as SweepEvent;
    expect([after(begun, diverged(1)).doneSteps, after(begun, diverged(2)).doneSteps]).toEqual([1, 8]);
  });

  it("has the best of first runs, whatever fresh seeds lose", () => {
    const progress = after(started, { event: "trial_finished", trial: trial(0, 2) }, { event: "trial_finished", trial: trial(1, 1, 2) });
    expect(progress.best).toEqual({ trial: 0, validationLoss: 2 });
  });

  it("takes its rate from the last half minute, so that a sleep is forgotten", () => {
    const progress = after({ ...started, trialSteps: 1000 });
    const rates = [10, 20, 300, 310, 320, 330].map((elapsed, index) => {
      progress.apply(progressed([0], 10 * (index + 1), [3]));
      return progress.pace(elapsed).stepsPerSecond;
    });
    expect([rates[1], rates[5]]).toEqual([1, 1]);
    expect(rates[2]).toBeLessThan(0.2);
  });

  it("is never more than everything", () => {
    const progress = after(started, progressed([0, 1, 2, 3, 4], 10, []));
    expect([progress.freshSteps, progress.doneSteps]).toEqual([50, 40]);
  });
});
