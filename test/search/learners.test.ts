/** Designers that learn: determinism, resumption, batches, failures, early stopping, and what they find. */
import { describe, expect, it } from "vitest";
import { randomStream } from "../../src/rng.ts";
import type { Observation } from "../../src/search/designer.ts";
import { designers, type MethodName } from "../../src/search/designers.ts";
import { ranked } from "../../src/search/learner.ts";
import type { Point, Space } from "../../src/search/space.ts";

const space: Space = {
  rate: { distribution: "log_uniform", min: 1e-4, max: 1 },
  std: { distribution: "log_uniform", min: 0.1, max: 10 },
  multiplier: { values: [1, 2, 4, 8, 16, 32, 64] },
};
type Loss = (point: Point) => number | null;
const log2 = (value: number): number => Math.log2(value);

function search(method: MethodName, loss: Loss, { trials = 40, batch = 4, seed = 1, within = space } = {}): Observation[] {
  const designer = designers[method].make({ space: within, seed, trials });
  const observations: Observation[] = [];
  while (observations.length < trials) {
    const results = designer
      .suggest(Math.min(batch, trials - observations.length))
      .map((point) => ({ point, validationLoss: loss(point), steps: 10 }));
    designer.observe(results);
    observations.push(...results);
  }
  return observations;
}
const best = (observations: readonly Observation[]): number =>
  Math.min(...observations.map(({ validationLoss }) => validationLoss ?? Infinity));
const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** A bowl whose best rate depends on the std, and which diverges above. */
const bowl: Loss = ({ rate, std, multiplier }) =>
  rate * std > 0.5 ? null : 2 + 0.05 * (log2(rate * std) + 5) ** 2 + 0.1 * log2(std) ** 2 + 0.03 * (log2(multiplier) - 4) ** 2;
/** A narrow curved valley (Rosenbrock's), in logarithms. */
const valley: Loss = ({ rate, std, multiplier }) => {
  const [x, y] = [1.5 * Math.log10(std), Math.log10(rate) / 2 + 1];
  return (1 - x) ** 2 / 5 + 4 * (y - x * x + 0.5) ** 2 + 0.02 * (log2(multiplier) - 2) ** 2;
};
/** A plateau with a hole, and noise that a seed would make. */
const hole: Loss = ({ rate, std, multiplier }) => {
  const distance = (log2(rate) + 6) ** 2 / 8 + log2(std) ** 2 / 4 + (log2(multiplier) - 3) ** 2 / 6;
  return 4.5 - 2 * Math.exp(-distance) + 0.02 * randomStream(Math.round(1e4 * rate), "noise", Math.round(1e4 * std)).normal();
};

describe.each(["tpe", "gp"] as const)("%s", (method) => {
  it("suggests the same after the same, whether it suggested what it observed or is told by a run that resumes", () => {
    const whole = search(method, bowl, { trials: 20 });
    expect(search(method, bowl, { trials: 20 })).toEqual(whole);
    const resumed = designers[method].make({ space, seed: 1, trials: 20 });
    resumed.observe(whole.slice(0, 16));
    expect(resumed.suggest(4)).toEqual(whole.slice(16).map(({ point }) => point));
    expect(search(method, bowl, { trials: 20, seed: 2 })).not.toEqual(whole);
  });

  it("suggests the same in a long run that resumes, whatever was known when it last learned anew", () => {
    const whole = search(method, bowl, { trials: 320, batch: 40 });
    const resumed = designers[method].make({ space, seed: 1, trials: 320 });
    resumed.observe(whole.slice(0, 100));
    resumed.observe(whole.slice(100, 280));
    expect(resumed.suggest(40)).toEqual(whole.slice(280).map(({ point }) => point));
  });

  it("suggests different points in a batch, and while others are under way", () => {
    const designer = designers[method].make({ space, seed: 1, trials: 40 });
    designer.observe(search(method, bowl, { trials: 12 }));
    const points = [...designer.suggest(6), ...designer.suggest(6)];
    expect(new Set(points.map((point) => JSON.stringify(point))).size).toBe(12);
  });

  it("takes what is under way for results of its own making: a batch in parts is the batch", () => {
    const listed: Space = {
      rate: { values: Array.from({ length: 20 }, (_, index) => 2 ** (index / 2 - 12)) },
      std: { values: [0.25, 0.5, 1, 2, 4] },
      multiplier: { value: 16 },
    };
    const known = search(method, bowl, { trials: 12, within: listed });
    const batches = [[6], [1, 5], [2, 2, 2]].map((counts) => {
      const designer = designers[method].make({ space: listed, seed: 1, trials: 40 });
      designer.observe(known);
      return counts.flatMap((count) => designer.suggest(count));
    });
    expect(batches[1]).toEqual(batches[0]);
    expect(batches[2]).toEqual(batches[0]);
  });

  it("goes on when everything diverged or everything is equal", () => {
    for (const flat of [null, 3]) expect(search(method, () => flat, { trials: 16 })).toHaveLength(16);
  });

  it.each([
    ["a bowl that diverges beyond a ridge", bowl],
    ["a curved valley", valley],
    ["a hole in a plateau, with noise", hole],
  ])("finds better points than Sobol's in %s", (_, loss) => {
    const seeds = [1, 2, 3, 4, 5];
    const found = (name: MethodName): number => median(seeds.map((seed) => best(search(name, loss, { seed }))));
    expect(found(method)).toBeLessThan(found("sobol"));
  });

  it("spends its trials on the values that a condition asks for", () => {
    const within: Space = {
      std: { values: [1, 2] },
      rate: { distribution: "log_uniform", min: 1e-4, max: 1, when: { std: [2] }, otherwise: 1e-4 },
    };
    const observations = search(method, ({ rate }) => (log2(rate) + 6) ** 2, { within, trials: 24 });
    expect(observations.filter(({ point }) => point["std"] === 2).length).toBeGreaterThan(12);
    expect(best(observations)).toBeLessThan(0.25);
  });
});

it("results are ranked by how far they went, then by loss; what failed comes last", () => {
  const observations = [
    { point: { a: 1 }, validationLoss: 3, steps: 10 },
    { point: { a: 2 }, validationLoss: null, steps: 4 },
    { point: { a: 3 }, validationLoss: 2.5, steps: 5 },
    { point: { a: 4 }, validationLoss: 4, steps: 5 },
    { point: { a: 5 }, validationLoss: 2, steps: 10 },
    { point: { a: 6 }, validationLoss: 1, steps: 2 },
  ];
  const results = ranked(observations);
  expect(results.map(({ point }) => point["a"])).toEqual([5, 1, 3, 4, 6, 2]);
  const losses = results.map(({ loss }) => loss);
  expect(losses).toEqual([...losses].sort((a, b) => a - b));
  expect(losses.slice(0, 2)).toEqual([2, 3]);
});
