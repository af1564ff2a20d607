import { describe, expect, it } from "vitest";
import { chooseWinner, seedDeviation, rankTrials, standings } from "../../src/sweep/select.ts";
import type { TrialSummary } from "../../src/run/state.ts";

const run = (id: number, loss: number | null, options: Partial<TrialSummary> & { rate?: number } = {}): TrialSummary => ({
  id,
  seed: 1,
  status: loss === null ? "diverged" : "completed",
  validationLoss: loss,
  hyperparameters: { learning_rate: options.rate ?? 0.01 * (id + 1) },
  steps: 10,
  trainingLoss: null,
  rungLosses: [],
  extent: { offset: 0, bytes: 0 },
  ...options,
});
const seeds = (id: number, losses: readonly (number | null)[], rate?: number): TrialSummary[] =>
  losses.map((loss, index) => run(id, loss, { seed: 2 + index, ...(rate !== undefined && { rate }) }));

describe("the order of trials", () => {
  it("is completed by loss, stopped the furthest first, diverged, failed", () => {
    const trials = [
      run(0, null, { status: "failed" }),
      run(1, null),
      run(2, 1, { status: "stopped", steps: 3 }),
      run(3, 2, { status: "stopped", steps: 5 }),
      run(4, 3),
      run(5, 2.5),
    ];
    expect(rankTrials(trials).map(({ id }) => id)).toEqual([5, 4, 3, 2, 1, 0]);
  });
  it("gives ties to the lower learning rate, then the lower id", () => {
    const trials = [run(0, 2, { rate: 0.1 }), run(1, 2, { rate: 0.01 }), run(2, 2, { rate: 0.01 })];
    expect(rankTrials(trials).map(({ id }) => id)).toEqual([1, 2, 0]);
  });
});

describe("the winner", () => {
  it("without confirmations is the best single run, and there is none when nothing completed", () => {
    expect(chooseWinner([run(0, 2.1), run(1, 2)], 1)).toMatchObject({
      trial: { id: 1 },
      validationLoss: 2,
      standardError: null,
      confirmed: [],
    });
    expect(chooseWinner([run(0, null), run(1, 3, { status: "stopped" })], 1)).toBeUndefined();
  });
  it("is the best mean over fresh seeds, whatever the first runs were", () => {
    const trials = [run(0, 1.9), run(1, 2), ...seeds(0, [2.3, 2.31, 2.29]), ...seeds(1, [2.1, 2.11, 2.09])];
    const winner = chooseWinner(trials, 1);
    expect(winner).toMatchObject({
      trial: { id: 1, seed: 1 },
      confirmed: [
        { id: 1, firstLoss: 2 },
        { id: 0, firstLoss: 1.9 },
      ],
    });
    expect(winner?.validationLoss).toBeCloseTo(2.1, 12);
    expect(winner?.standardError).toBeCloseTo(0.01 / Math.sqrt(3), 12);
    expect(standings(trials, 1).map(({ id }) => id)).toEqual([1, 0]);
  });
  it("is the lower learning rate of those within a standard error of the best", () => {
    const noisy = [2.0, 2.1, 2.2];
    const trials = (second: readonly number[]): TrialSummary[] => [
      run(0, 2, { rate: 0.1 }),
      run(1, 2, { rate: 0.01 }),
      ...seeds(0, noisy, 0.1),
      ...seeds(1, second, 0.01),
    ];
    expect(chooseWinner(trials(noisy.map((loss) => loss + 0.05)), 1)?.trial.id).toBe(1);
    expect(chooseWinner(trials(noisy.map((loss) => loss + 0.07)), 1)?.trial.id).toBe(0);
  });
  it("is not one of which a fresh seed diverged", () => {
    const trials = [run(0, 1), run(1, 2), ...seeds(0, [1, null, 1]), ...seeds(1, [2, 2, 2])];
    expect(chooseWinner(trials, 1)).toMatchObject({
      trial: { id: 1 },
      validationLoss: 2,
      confirmed: [{ id: 1 }, { id: 0, meanLoss: null }],
    });
  });
  it("may be one whose first run was stopped early", () => {
    const trials = [run(0, 2), run(1, 2.5, { status: "stopped", steps: 3 }), ...seeds(0, [2.2]), ...seeds(1, [2])];
    expect(chooseWinner(trials, 1)).toMatchObject({
      trial: { id: 1 },
      confirmed: [
        { id: 1, firstLoss: null },
        { id: 0, firstLoss: 2 },
      ],
    });
  });
});

it("the deviation of a seed is pooled over trials", () => {
  const confirmed = [
    { id: 0, seeds: [2, 3], validationLosses: [1, 3], meanLoss: 2, firstLoss: 1 },
    { id: 1, seeds: [2, 3], validationLosses: [5, 5], meanLoss: 5, firstLoss: 1 },
    { id: 2, seeds: [2, 3], validationLosses: [5, null], meanLoss: null, firstLoss: 1 },
  ];
  expect(seedDeviation(confirmed)).toBe(1);
});
