/** Edges of a space, and what a point owes to lying at one: on surfaces by formula. */
import { describe, expect, it } from "vitest";
import { randomStream } from "../../src/rng.ts";
import { edgeGains, edgesOf, type Lowest } from "../../src/search/edges.ts";
import type { Point, Space } from "../../src/search/space.ts";
import { suggest } from "../support/suggest.ts";

const space: Space = {
  learning_rate: { distribution: "log_uniform", min: 2 ** -10, max: 2 ** -2 },
  init_std: { distribution: "log_uniform", min: 0.25, max: 4 },
  embedding_std: { values: [0.25, 0.5, 1, 2] },
};
const at = (learning_rate: number, embedding_std = 0.5): Point => ({ learning_rate, init_std: 1, embedding_std });

describe("edges", () => {
  it("are the outer twentieth of a range, and the first and last of a list", () => {
    expect(edgesOf(space, at(2 ** -6))).toEqual([]);
    expect(edgesOf(space, at(2 ** -9.7))).toEqual([{ name: "learning_rate", side: "lower", bound: 2 ** -10, extendTo: 0.0002441 }]);
    expect(edgesOf(space, at(0.24))).toMatchObject([{ side: "upper", extendTo: 1 }]);
    expect(edgesOf({ learning_rate: { values: [0.01, 0.03, 1e30] } }, { learning_rate: 0.03 })).toEqual([]);
    expect(edgesOf(space, at(2 ** -6, 2))).toMatchObject([{ name: "embedding_std", side: "upper", bound: 2, extendTo: 8 }]);
  });
  it.each<[string, Space, Point]>([
    ["a fixed value", { learning_rate: { value: 1 } }, { learning_rate: 1 }],
    ["a list of two", { init_std: { values: [1, 2] } }, { init_std: 2 }],
    ["two integers", { init_std: { distribution: "int_uniform", min: 1, max: 2 } }, { init_std: 2 }],
    ["what a condition has fixed", { init_std: { values: [1, 2, 3], when: { a: [1] }, otherwise: 3 } }, { init_std: 3 }],
  ])("are none of %s", (_, one, point) => expect(edgesOf(one, point)).toEqual([]));

  const closed: Readonly<Record<string, Lowest>> = { init_std: { bound: 0, open: false } };
  const open: Readonly<Record<string, Lowest>> = { init_std: { bound: 0, open: true } };
  it("are none where nothing lower is possible", () => {
    const range: Space = { init_std: { distribution: "uniform", min: 0, max: 1 } };
    expect(edgesOf(range, { init_std: 0.01 })).toMatchObject([{ side: "lower" }]);
    expect(edgesOf(range, { init_std: 0.01 }, closed)).toEqual([]);
    expect(edgesOf(range, { init_std: 0.99 }, closed)).toMatchObject([{ side: "upper", extendTo: 1.5 }]);
    expect(edgesOf({ init_std: { values: [0, 1, 2] } }, { init_std: 0 }, closed)).toEqual([]);
  });
  it("lead to nothing that is impossible", () => {
    const range: Space = { init_std: { distribution: "uniform", min: 0.1, max: 1 } };
    expect(edgesOf(range, { init_std: 0.1 })).toMatchObject([{ extendTo: -0.35 }]);
    expect(edgesOf(range, { init_std: 0.1 }, closed)).toMatchObject([{ extendTo: 0 }]);
    expect(edgesOf(range, { init_std: 0.1 }, open)).toMatchObject([{ extendTo: 0.025 }]);
  });
});

describe("what a point owes to an edge", () => {
  const upper = { name: "embedding_std", side: "upper", bound: 2 } as const;
  const lower = { name: "embedding_std", side: "lower", bound: 0.25 } as const;
  /** Trials whose loss has a valley in the learning rate, and falls by so much over the whole of embedding_std. */
  const trialsOf = (count: number, fallNats: number, deviation: number): readonly { readonly point: Point; readonly loss: number }[] => {
    const noise = randomStream(1, "noise");
    return suggest("sobol", space, count, 3)
      .map((point) => ({
        point,
        loss:
          2 +
          0.05 * (Math.log2(point["learning_rate"]) + 6) ** 2 -
          (fallNats * Math.log2(point["embedding_std"] * 4)) / 3 +
          deviation * noise.normal(),
      }))
      .sort((a, b) => a.loss - b.loss);
  };
  it.each([16, 24, 48])("is what losses fall by towards it, and what they rise by towards the other: %i trials", (count) => {
    const trials = trialsOf(count, 0.3, 0.01);
    const [gain] = edgeGains(space, trials, at(2 ** -6, 2), [upper]);
    expect(gain).toBeGreaterThan(0.05);
    expect(gain).toBeLessThan(0.15);
    expect(edgeGains(space, trials, at(2 ** -6, 0.25), [lower])[0]).toBeLessThan(-0.05);
  });
  it.each([16, 48])("is next to nothing where it does not matter: %i trials", (count) =>
    expect(Math.abs(edgeGains(space, trialsOf(count, 0, 0.01), at(2 ** -6, 2), [upper])[0])).toBeLessThan(0.03),
  );
  it("is not decided by trials that are far off", () => {
    const trials = trialsOf(32, 0.3, 0.01);
    const wild = trials.map((trial, index) => (index < 24 ? trial : { ...trial, loss: trial.loss + 50 }));
    const [[calm], [gain]] = [trials, wild].map((each) => edgeGains(space, each, at(2 ** -6, 2), [upper]));
    expect(gain / calm).toBeGreaterThan(0.5);
    expect(gain / calm).toBeLessThan(2);
  });
  it("is nothing of no edges, of one trial, and of equal losses", () => {
    expect(edgeGains(space, [], at(1), [])).toEqual([]);
    expect(edgeGains(space, [], at(1), [upper])).toEqual([0]);
    expect(edgeGains(space, trialsOf(1, 1, 0), at(1), [upper])).toEqual([0]);
  });
  it("takes thousands of trials in a second, and sees the same", () => {
    const started = performance.now();
    const [gain] = edgeGains(space, trialsOf(4000, 0.3, 0.01), at(2 ** -6, 2), [upper]);
    expect(performance.now() - started).toBeLessThan(5000);
    expect(gain).toBeGreaterThan(0.05);
  });
});
