import { expect, it } from "vitest";
import { cubeOf } from "../../src/search/cube.ts";
import { designers, methodNames } from "../../src/search/designers.ts";
import { completePoint, everyPoint, spaceSize, type Space } from "../../src/search/space.ts";

const space: Space = {
  tied: { same_as: "std" },
  std: { values: [4, 1, 2] },
  multiplier: { values: [1, 8, 64], when: { tied: [1, 2] }, otherwise: 3 },
  inner: { values: [5, 6], when: { multiplier: [8] }, otherwise: 0 },
  fixed: { value: 7 },
};

it("ties follow, and conditions decide what is drawn", () => {
  expect(completePoint(space, { std: 1, multiplier: 8, inner: 6 })).toEqual({ tied: 1, std: 1, multiplier: 8, inner: 6, fixed: 7 });
  expect(completePoint(space, { std: 4, multiplier: 8, inner: 6 })).toEqual({ tied: 4, std: 4, multiplier: 3, inner: 0, fixed: 7 });
});

it("a space's size counts what conditions rule out once, and agrees with its points", () => {
  expect(spaceSize(space)).toBe(1 + 2 * (1 + 1 + 2));
  expect(everyPoint(space)).toHaveLength(9);
  expect(spaceSize({ a: { distribution: "int_uniform", min: 1, max: 1e9 }, b: { values: [1, 2] } })).toBe(2e9);
  expect(spaceSize({ a: { values: [1, 2] }, b: { distribution: "uniform", min: 0, max: 1, when: { a: [1] }, otherwise: 0 } })).toBe(
    Infinity,
  );
});

it("spaces with very many combinations that conditions rule out are counted and listed at once", () => {
  const values = Array.from({ length: 1000 }, (_, index) => index);
  const alone = (kind: number): Space[string] => ({ values, when: { kind: [kind] }, otherwise: 0 });
  const many = { b: alone(1), c: alone(2), d: alone(3), kind: { values: [1, 2, 3, 4] } };
  expect(spaceSize(many)).toBe(3001);
  const points = everyPoint(many);
  expect(points).toHaveLength(3001);
  expect(points.slice(0, 4)).toEqual([1, 2, 3, 4].map((kind) => ({ b: 0, c: 0, d: 0, kind })));
  const wide: Space[string] = { distribution: "int_uniform", min: 1, max: 1e5 };
  const tied = { wide, other: { ...wide, when: { wide: [1, 2, 7] }, otherwise: 1 }, last: { values, when: { other: [1] }, otherwise: 0 } };
  expect(spaceSize(tied)).toBe(3 * (1000 + 99_999) + 99_997 * 1000);
});

it.each(methodNames)("%s suggests every point of it once, and no other", (method) => {
  const designer = designers[method].make({ space, seed: 3, trials: 9 });
  const points = [4, 4, 1].flatMap((count) => {
    const suggested = designer.suggest(count);
    designer.observe(suggested.map((point) => ({ point, validationLoss: point["std"] + point["inner"], steps: 1 })));
    return suggested;
  });
  const texts = (all: readonly object[]): Set<string> => new Set(all.map((each) => JSON.stringify(each)));
  expect(texts(points)).toEqual(texts(everyPoint(space)));
  expect(points).toHaveLength(9);
});

it("the cube has a dimension for each name that is free, lists by rank and ranges by logarithm", () => {
  const cube = cubeOf({ ...space, rate: { distribution: "log_uniform", min: 0.01, max: 1 } });
  expect(cube.dimensions.map(({ name }) => name)).toEqual(["std", "multiplier", "inner", "rate"]);
  const point = cube.pointAt([0, 0.5, 0.9, 0.5]);
  expect(point).toEqual({ tied: 1, std: 1, multiplier: 8, inner: 6, fixed: 7, rate: 0.1 });
  expect(cube.coordinatesOf(point)).toEqual([1 / 6, 0.5, 0.75, 0.5]);
  // What a condition fixes lies where its value does: 3 between 1 and 8, 0 at the lower end.
  expect(cube.coordinatesOf(cube.pointAt([0.9, 0.9, 0.9, 0.5]))).toEqual([5 / 6, (0.5 + 2 / 7) / 3, 0.25, 0.5]);
});
