import { describe, expect, it } from "vitest";
import { splitFiles } from "../../src/data/split.ts";
import { randomStream } from "../../src/rng.ts";

describe("what is held out", () => {
  it("is the end of a single file, however short", () => {
    expect(splitFiles([1000], 0.1)).toEqual([{ train: 900, heldOut: 100 }]);
    expect(splitFiles([7], 0.25)).toEqual([{ train: 6, heldOut: 1 }]);
    expect(splitFiles([1_216_440], 0.1)).toEqual([{ train: 1_094_796, heldOut: 121_644 }]);
  });

  it("is the end of each of several", () => {
    expect(splitFiles([10_000, 50_000, 2560], 0.1)).toEqual([
      { train: 9000, heldOut: 1000 },
      { train: 45_000, heldOut: 5000 },
      { train: 2304, heldOut: 256 },
    ]);
  });

  it("is a block of several together where they are short, and what is left over goes with those before", () => {
    expect(splitFiles([300, 300, 300, 5000, 300], 0.1)).toEqual([
      { train: 810, heldOut: 90 },
      { train: 4770, heldOut: 530 },
    ]);
    expect(splitFiles([100, 100, 0, 100], 0.1)).toEqual([{ train: 270, heldOut: 30 }]);
  });

  it("is a share of all tokens in blocks of 64 or more, for any files", () => {
    const random = randomStream(1, "files");
    for (let round = 0; round < 200; round++) {
      const counts = Array.from({ length: 1 + random.integer(50) }, () => random.integer(20_000));
      const fraction = 0.01 + 0.9 * random.uniform();
      const parts = splitFiles(counts, fraction);
      const total = counts.reduce((sum, count) => sum + count, 0);
      expect(parts.reduce((sum, { train, heldOut }) => sum + train + heldOut, 0)).toBe(total);
      for (const { train, heldOut } of parts) {
        expect(heldOut).toBe(Math.floor((train + heldOut) * fraction));
        if (parts.length > 1) expect(heldOut).toBeGreaterThanOrEqual(64);
      }
    }
  });
});
