import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { frequencyLoss } from "../../src/data/frequencies.ts";
import type { TokenRun } from "../../src/data/token-run.ts";
import { randomStream } from "../../src/rng.ts";
import { temporaryFolder } from "../support/folder.ts";
import { checkedRun } from "../support/tokens.ts";

const folder = temporaryFolder();
const runOf = (name: string, ids: Uint16Array, vocabulary: number): TokenRun => {
  writeFileSync(join(folder, name), new Uint8Array(ids.buffer));
  return checkedRun(join(folder, name), vocabulary, "uint16");
};

it("is the cross-entropy under the training tokens' counts, each with one added", () => {
  const train = runOf("train.bin", Uint16Array.of(0, 0, 0, 1, 1, 2), 4);
  const validation = runOf("validation.bin", Uint16Array.of(0, 1, 1, 3), 4);
  // Counts 3, 2, 1, 0 of 6 tokens and 4 ids.
  expect(frequencyLoss({ train, validation })).toBeCloseTo(-(Math.log(4 / 10) + 2 * Math.log(3 / 10) + Math.log(1 / 10)) / 4, 12);
});

it("is ln(vocabulary) of tokens drawn evenly, and below that of others, whose order it does not know", () => {
  const stream = randomStream(1, "frequencies");
  const even = (name: string): TokenRun =>
    runOf(
      name,
      Uint16Array.from({ length: 20_000 }, () => stream.integer(64)),
      64,
    );
  expect(frequencyLoss({ train: even("a.bin"), validation: even("b.bin") })).toBeCloseTo(Math.log(64), 2);
  const cycle = (name: string): TokenRun =>
    runOf(
      name,
      Uint16Array.from({ length: 20_000 }, (_, at) => [7, 7, 7, 9][at % 4]),
      64,
    );
  expect(frequencyLoss({ train: cycle("c.bin"), validation: cycle("d.bin") })).toBeCloseTo(
    -(0.75 * Math.log(0.75) + 0.25 * Math.log(0.25)),
    1,
  );
});

it("is of a sample over the whole of a long text, the same every time, and quick", () => {
  // The second half has other tokens than the first.
  const long = Uint16Array.from({ length: 6_000_000 }, (_, at) => (at < 3_000_000 ? at % 2 : 2 + (at % 2)));
  const run = runOf("long.bin", long, 4);
  const before = performance.now();
  const nats = frequencyLoss({ train: run, validation: run });
  expect(performance.now() - before).toBeLessThan(3000);
  expect(nats).toBeCloseTo(Math.log(4), 3);
  expect(frequencyLoss({ train: run, validation: run })).toBe(nats);
});
