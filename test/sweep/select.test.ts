import { describe, expect, it } from "vitest";
import { seedDeviation } from "../../src/sweep/deviation.ts";
import { chooseWinner, judge, rankTrials, standings, type Deciding } from "../../src/sweep/select.ts";
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

/** Rules 1 confirm on as many seeds as there are; rules 2 on so many, and more to tell. */
const first: Deciding = { seed: 1, search: { confirm: { top: 4, seeds: 3 } } };
const second = (least: number, most = 2 * least): Deciding => ({
  seed: 1,
  rules: 2,
  search: { confirm: { top: 4, seeds: least, most_seeds: most } },
});

describe("the order of trials", () => {
  it("is completed by loss, stopped the furthest first, those that learned nothing, diverged, failed", () => {
    const trials = [
      run(0, null, { status: "failed" }),
      run(1, null),
      run(6, 1, { status: "untrained" }),
      run(2, 1, { status: "stopped", steps: 3 }),
      run(3, 2, { status: "stopped", steps: 5 }),
      run(4, 3),
      run(5, 2.5),
    ];
    expect(rankTrials(trials).map(({ id }) => id)).toEqual([5, 4, 3, 2, 6, 1, 0]);
  });
  it("gives ties to the lower learning rate, then the lower id", () => {
    const trials = [run(0, 2, { rate: 0.1 }), run(1, 2, { rate: 0.01 }), run(2, 2, { rate: 0.01 })];
    expect(rankTrials(trials).map(({ id }) => id)).toEqual([1, 2, 0]);
  });
});

describe("the winner under rules 1", () => {
  it("without confirmations is the best single run, and there is none when nothing completed", () => {
    expect(chooseWinner([run(0, 2.1), run(1, 2)], first)).toMatchObject({
      trial: { id: 1 },
      validationLoss: 2,
      standardError: null,
    });
    expect(chooseWinner([run(0, null), run(1, 3, { status: "stopped" })], first)).toBeUndefined();
  });
  it("is the best mean over fresh seeds, whatever the first runs were", () => {
    const trials = [run(0, 1.9), run(1, 2), ...seeds(0, [2.3, 2.31, 2.29]), ...seeds(1, [2.1, 2.11, 2.09])];
    const { winner, confirmed } = judge(trials, first);
    expect(winner).toMatchObject({ trial: { id: 1, seed: 1 } });
    expect(confirmed).toMatchObject([
      { id: 1, firstLoss: 2 },
      { id: 0, firstLoss: 1.9 },
    ]);
    expect(winner?.validationLoss).toBeCloseTo(2.1, 12);
    expect(winner?.standardError).toBeCloseTo(0.01 / Math.sqrt(3), 12);
    expect(standings(trials, first).map(({ id }) => id)).toEqual([1, 0]);
  });
  it("is the lower learning rate of those within a standard error of the best", () => {
    const noisy = [2.0, 2.1, 2.2];
    const trials = (second: readonly number[]): TrialSummary[] => [
      run(0, 2, { rate: 0.1 }),
      run(1, 2, { rate: 0.01 }),
      ...seeds(0, noisy, 0.1),
      ...seeds(1, second, 0.01),
    ];
    expect(chooseWinner(trials(noisy.map((loss) => loss + 0.05)), first)?.trial.id).toBe(1);
    expect(chooseWinner(trials(noisy.map((loss) => loss + 0.07)), first)?.trial.id).toBe(0);
  });
  it("is not one of which a fresh seed diverged", () => {
    const trials = [run(0, 1), run(1, 2), ...seeds(0, [1, null, 1]), ...seeds(1, [2, 2, 2])];
    expect(judge(trials, first)).toMatchObject({
      winner: { trial: { id: 1 }, validationLoss: 2 },
      confirmed: [{ id: 1 }, { id: 0, meanLoss: null }],
    });
  });
  it("may be one whose first run was stopped early", () => {
    const trials = [run(0, 2), run(1, 2.5, { status: "stopped", steps: 3 }), ...seeds(0, [2.2]), ...seeds(1, [2])];
    expect(judge(trials, first)).toMatchObject({
      winner: { trial: { id: 1 } },
      confirmed: [
        { id: 1, firstLoss: null },
        { id: 0, firstLoss: 2 },
      ],
    });
  });
});

describe("the winner under rules 2", () => {
  /** Trials with their rates and losses on fresh seeds; first runs are all the same. */
  const raced = (...trials: readonly (readonly [rate: number, losses: readonly (number | null)[]])[]): readonly TrialSummary[] =>
    trials.flatMap(([rate, losses], id) => [run(id, 2, { rate }), ...seeds(id, losses, rate)]);
  /** Losses that vary much by their seeds, and alike in every trial. */
  const noisy = [2.0, 2.4, 2.2];
  const plus = (more: readonly number[]): readonly number[] => noisy.map((loss, index) => loss + more[index]);

  it("is not another because of noise that all trials share: differences are paired", () => {
    const trials = raced([0.1, noisy], [0.06, plus([0.02, 0.021, 0.02])]);
    expect(chooseWinner(trials, first)?.trial.id).toBe(1);
    expect(judge(trials, second(3, 3))).toMatchObject({ winner: { trial: { id: 0 } }, race: { tied: [0], raced: [], seeds: 3 } });
  });
  it("of those that are tied is the best mean, whichever has the lower learning rate", () => {
    const tied = plus([0.03, -0.02, 0.01]);
    for (const rate of [0.009, 0.1, 0.3])
      expect(judge(raced([0.18, noisy], [rate, tied]), second(3, 3))).toMatchObject({
        winner: { trial: { id: 0 } },
        race: { tied: [0, 1] },
      });
  });
  it("is not moved 19-fold by a tie, as it was", () => {
    const trials = raced([0.18, [2.3, 2.31, 2.5]], [0.009, [2.33, 2.32, 2.5]]);
    expect(chooseWinner(trials, first)?.trial.id).toBe(1);
    expect(judge(trials, second(3, 3))).toMatchObject({ winner: { trial: { id: 0 } }, race: { tied: [0] } });
    // Nor where differences do not tell them apart.
    const alike = raced([0.18, [2.3, 2.31, 2.5]], [0.009, [2.33, 2.3, 2.49]]);
    expect(judge(alike, second(3, 3))).toMatchObject({ winner: { trial: { id: 0 } }, race: { tied: [0, 1] } });
  });
  it("is decided over the seeds that those share which are still in it", () => {
    // Trial 2 is out after two seeds, and its mean over these is lower than the winner's over four.
    const trials = raced([0.1, [2, 2.1, 2.6, 2.6]], [0.05, [2.01, 2.08, 2.7, 2.71]], [0.1, [2.04, 2.14]]);
    const { winner, confirmed, race } = judge(trials, second(2));
    expect(confirmed.map(({ id, meanLoss }) => [id, meanLoss?.toFixed(3)])).toEqual([
      [0, "2.325"],
      [1, "2.375"],
      [2, "2.090"],
    ]);
    expect(winner).toMatchObject({ trial: { id: 0 } });
    expect(winner?.validationLoss).toBeCloseTo(2.325, 12);
    expect(race).toEqual({ raced: [0, 1], seeds: 4, tied: [0] });
    expect(standings(trials, second(2)).map(({ id }) => id)).toEqual([0, 1, 2]);
  });
  it("with a single seed each is the best, and whoever is near it is in the race while there can be more seeds", () => {
    for (const [most, tied] of [
      [2, [0, 1]],
      [1, [0]],
    ] as const)
      expect(judge(raced([0.1, [2]], [0.06, [2.0001]], [0.05, [2.1]]), second(1, most))).toMatchObject({
        winner: { trial: { id: 0 }, standardError: null },
        race: { tied, seeds: 1 },
      });
  });
  it("is none when no trial learned, or fresh seeds have refuted all that had", () => {
    expect(chooseWinner([run(0, 5.5, { status: "untrained" }), run(1, null)], second(2))).toBeUndefined();
    const untrained = seeds(0, [2, 5.5]).map((each) => (each.seed === 3 ? { ...each, status: "untrained" as const } : each));
    const trials = [run(0, 2), run(1, 2.1), run(2, 2.2), ...untrained, ...seeds(1, [2, null])];
    expect(judge(trials, second(2))).toMatchObject({ winner: undefined, confirmed: [{ id: 0, meanLoss: null }, { id: 1 }] });
    // Rules 1 had one all the same.
    expect(chooseWinner(trials, first)?.trial.id).toBe(0);
    // A failure refutes nothing.
    const failed = seeds(1, [2, null]).map((each) => (each.seed === 3 ? { ...each, status: "failed" as const } : each));
    expect(chooseWinner([run(0, 2), run(1, 2.1), ...untrained, ...failed], second(2))?.trial.id).toBe(1);
  });
});

it("the deviation of a seed is pooled over trials", () => {
  expect(seedDeviation([{ validationLosses: [1, 3] }, { validationLosses: [5, 5] }, { validationLosses: [5, null] }])).toBe(1);
  expect(seedDeviation([{ validationLosses: [1] }, { validationLosses: [5] }])).toBeNull();
});
