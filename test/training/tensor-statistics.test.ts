import { expect, it } from "vitest";
import { attentionLogits, meanMagnitude, meanSquareChange } from "../../src/training/tensor-statistics.ts";

it("means are what they say", () => {
  expect(meanMagnitude(Float32Array.of(-3, 1))).toBe(2);
  expect(meanSquareChange(Float32Array.of(1, 2), Float32Array.of(4, 2))).toBe(4.5);
});

it("attention logits are q·k of the same head and of keys up to the query's own", () => {
  const model = { width: 4, headDim: 2, context: 2 };
  const query = Float32Array.of(1, 0, 0, 1, 2, 0, 0, 3);
  const key = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  // Head 0: rows (1,0) and (2,0) on keys (1,2), (5,6); head 1: rows (0,1) and (0,3) on keys (3,4), (7,8).
  expect([...attentionLogits(query, key, model)]).toEqual([1, 2, 10, 4, 12, 24]);
});
