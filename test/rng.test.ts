import { describe, expect, it } from "vitest";
import { philox, randomStream } from "../src/rng.ts";

const hex = (words: readonly number[]): string => words.map((word) => word.toString(16).padStart(8, "0")).join(" ");

describe("philox", () => {
  // Known answers of Random123 (kat_vectors, philox4x32 with 10 rounds).
  it.each([
    [[0, 0, 0, 0], [0, 0], "6627e8d5 e169c58d bc57ac4c 9b00dbd8"],
    [[0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff], [0xffffffff, 0xffffffff], "408f276d 41c83b0e a20bc7c6 6d5451fd"],
    [[0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0], "d16cfe09 94fdcceb 5001e420 24126ea1"],
  ] as const)("matches Random123 for counter %j and key %j", (counter, key, expected) => {
    expect(hex(philox(counter, key))).toBe(expected);
  });
});

describe("randomStream", () => {
  const first = (seed: number, label: string, index?: number): number[] => {
    const stream = randomStream(seed, label, index);
    return Array.from({ length: 8 }, () => stream.uint32());
  };

  it("is a function of seed, label and index, and differs when any of them does", () => {
    expect(first(1, "a", 2)).toEqual(first(1, "a", 2));
    for (const other of [first(2, "a", 2), first(1, "b", 2), first(1, "a", 3)]) expect(other).not.toEqual(first(1, "a", 2));
  });

  it("gives the same numbers in every version", () => {
    expect(first(1, "weights", 2).slice(0, 2)).toEqual([1574619362, 663766552]);
  });

  it("draws uniforms and normals with the right moments", () => {
    const stream = randomStream(7, "moments");
    const draws = 200_000;
    let [uniform, normal, square, beyond, outside] = [0, 0, 0, 0, 0];
    for (let i = 0; i < draws; i++) {
      const u = stream.uniform();
      if (u < 0 || u >= 1) outside++;
      uniform += u / draws;
      const z = stream.normal();
      normal += z / draws;
      square += (z * z) / draws;
      if (Math.abs(z) > 1.959964) beyond += 1 / draws;
    }
    expect(outside).toBe(0);
    expect(uniform).toBeCloseTo(0.5, 2);
    expect(normal).toBeCloseTo(0, 2);
    expect(square).toBeCloseTo(1, 1);
    expect(beyond).toBeCloseTo(0.05, 2);
  });

  it("draws successive normals that know nothing of each other", () => {
    const stream = randomStream(7, "pairs");
    const draws = Array.from({ length: 20_000 }, () => stream.normal());
    const covariance = draws.slice(1).reduce((sum, normal, index) => sum + normal * draws[index], 0) / draws.length;
    expect(covariance).toBeCloseTo(0, 1);
  });

  it("draws every integer below its bound equally often", () => {
    const stream = randomStream(3, "integers");
    const counts = new Array<number>(7).fill(0);
    for (let i = 0; i < 7000; i++) counts[stream.integer(7)] += 1;
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });
});
