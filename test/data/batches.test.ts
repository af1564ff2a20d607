import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readBatches, trainingStarts, validationStarts } from "../../src/data/batches.ts";
import { openTokens, runOf } from "../../src/data/token-run.ts";
import { checkedRun } from "../support/tokens.ts";
import { temporaryFolder } from "../support/folder.ts";

const shape = { batch: 4, context: 8 };

describe("training windows", () => {
  it("are a function of seed and step alone", () => {
    expect(trainingStarts(1, 5, 1000, shape)).toEqual(trainingStarts(1, 5, 1000, shape));
    expect(trainingStarts(1, 6, 1000, shape)).not.toEqual(trainingStarts(1, 5, 1000, shape));
    expect(trainingStarts(2, 5, 1000, shape)).not.toEqual(trainingStarts(1, 5, 1000, shape));
  });

  it("reach every start that leaves room for the last target, and none beyond", () => {
    const seen = new Set(Array.from({ length: 400 }, (_, step) => trainingStarts(1, step, 12, shape)).flat());
    expect(seen).toEqual(new Set([0, 1, 2, 3]));
  });
});

describe("validation windows", () => {
  it("are spread evenly from the first token to the last", () => {
    expect(validationStarts(1, 109, shape)).toEqual([0, 33, 66, 100]);
    expect(validationStarts(1, 9, { batch: 1, context: 8 })).toEqual([0]);
  });
});

it.each([
  ["from memory", undefined],
  ["by offset", 0],
])("reads windows and the tokens that follow them, %s", (_, readWholeUpTo) => {
  const path = join(temporaryFolder(), "tokens.bin");
  writeFileSync(path, new Uint8Array(Uint16Array.from({ length: 50 }, (_, i) => i * 3).buffer));
  const { file } = checkedRun(path, 65536).pieces[0];
  const reader = openTokens(runOf([{ file, start: 2, count: 48 }], 65536), readWholeUpTo);
  const batches = readBatches(reader, [0, 8, 18, 39], { batch: 2, context: 8 });
  reader.close();
  expect(batches.count).toBe(2);
  expect([...batches.tokens.subarray(8, 16)]).toEqual([30, 33, 36, 39, 42, 45, 48, 51]);
  expect([...batches.targets.subarray(24, 32)]).toEqual([126, 129, 132, 135, 138, 141, 144, 147]);
});
