import { describe, expect, it } from "vitest";
import { designers } from "../../src/search/designers.ts";
import { suggest } from "../support/suggest.ts";
import type { Space } from "../../src/search/space.ts";

const space: Space = {
  rate: { distribution: "log_uniform", min: 1e-3, max: 1e-1 },
  width: { distribution: "uniform", min: -1, max: 1 },
  layers: { distribution: "int_uniform", min: 1, max: 3 },
  std: { values: [0.25, 0.5, 1] },
  fixed: { value: 7 },
};

describe("random", () => {
  const points = suggest("random", space, 2000, 1);

  it("is a function of the seed, and each trial of its position", () => {
    expect(suggest("random", space, 2000, 1)).toEqual(points);
    expect(suggest("random", space, 10, 1)).toEqual(points.slice(0, 10));
    expect(suggest("random", space, 10, 2)).not.toEqual(points.slice(0, 10));
  });

  it("goes on drawing what sweeps of earlier versions drew", () => {
    expect(points.slice(0, 3)).toEqual([
      { rate: 0.003569, width: 0.5757, layers: 1, std: 0.5, fixed: 7 },
      { rate: 0.02888, width: 0.06474, layers: 1, std: 0.5, fixed: 7 },
      { rate: 0.003084, width: 0.6615, layers: 3, std: 0.5, fixed: 7 },
    ]);
  });

  it("reads log_uniform bounds as real values and stays within them", () => {
    const rates = points.map(({ rate }) => rate);
    expect(Math.min(...rates)).toBeGreaterThanOrEqual(1e-3);
    expect(Math.max(...rates)).toBeLessThanOrEqual(1e-1);
  });

  it.each<[string, string, (quarters: number) => number]>([
    ["log_uniform", "rate", (quarters) => 1e-3 * 100 ** (quarters / 4)],
    ["uniform", "width", (quarters) => -1 + quarters / 2],
  ])("spreads %s draws evenly over the whole range", (_, name, at) => {
    for (const quarters of [1, 2, 3])
      expect(points.filter((point) => point[name] < at(quarters)).length / points.length).toBeCloseTo(quarters / 4, 1);
  });

  it("spreads int_uniform draws evenly over the integers between the bounds", () => {
    for (const layers of [1, 2, 3])
      expect(points.filter((point) => point["layers"] === layers).length / points.length).toBeCloseTo(1 / 3, 1);
    const between = suggest("random", { layers: { distribution: "int_uniform", min: 1.5, max: 3.5 }, rate: space["rate"] }, 50, 1);
    expect(new Set(between.map(({ layers }) => layers))).toEqual(new Set([2, 3]));
  });

  it("reaches every listed value and every integer, and leaves fixed values alone", () => {
    expect(new Set(points.map(({ std }) => std))).toEqual(new Set([0.25, 0.5, 1]));
    expect(new Set(points.map(({ layers }) => layers))).toEqual(new Set([1, 2, 3]));
    expect(new Set(points.map(({ fixed }) => fixed))).toEqual(new Set([7]));
  });

  it("keeps four significant digits", () => {
    for (const { rate } of points) expect(Number(rate.toPrecision(4))).toBe(rate);
  });

  it("draws no set twice, up to the whole of a finite space", () => {
    const finite: Space = { a: { values: [1, 2, 3] }, b: { values: [1, 2] } };
    expect(new Set(suggest("random", finite, 6, 1).map((point) => JSON.stringify(point))).size).toBe(6);
  });

  it("does not move one hyperparameter's draws when another's domain changes", () => {
    const other = suggest("random", { ...space, rate: { distribution: "log_uniform", min: 1, max: 10 } }, 50, 1);
    expect(other.map(({ width }) => width)).toEqual(points.slice(0, 50).map(({ width }) => width));
  });
});

it("grid is every combination, the last name varying fastest", () => {
  expect(suggest("grid", { a: { values: [1, 2] }, b: { distribution: "int_uniform", min: 4, max: 5 }, c: { value: 0 } }, 4, 1)).toEqual([
    { a: 1, b: 4, c: 0 },
    { a: 1, b: 5, c: 0 },
    { a: 2, b: 4, c: 0 },
    { a: 2, b: 5, c: 0 },
  ]);
});

describe.each(["random", "grid", "sobol"] as const)("%s, which does not learn,", (method) => {
  const finite: Space = { a: { values: [1, 2, 3, 4] }, b: { values: [1, 2, 3] } };
  const options = { space: finite, seed: 1, trials: 12 };
  const whole = designers[method].make(options).suggest(12);

  it("suggests the same in parts, whatever it observes", () => {
    const designer = designers[method].make(options);
    const parts = [5, 4, 3].flatMap((count) => {
      const points = designer.suggest(count);
      designer.observe(points.map((point) => ({ point, validationLoss: 1, steps: 1 })));
      return points;
    });
    expect(parts).toEqual(whole);
    expect(new Set(whole.map((point) => JSON.stringify(point))).size).toBe(12);
  });

  it("goes on after the results that a run resumes from", () => {
    const designer = designers[method].make(options);
    designer.observe(whole.slice(0, 5).map((point) => ({ point, validationLoss: 1, steps: 1 })));
    expect(designer.suggest(7)).toEqual(whole.slice(5));
  });
});
