import { describe, expect, it } from "vitest";
import type { Buffer, Operand } from "../../../src/engines/lowered/instructions.ts";
import { gatherRows, placeBuffers, rowLength, scatterRows, type RowLayout } from "../../../src/engines/lowered/memory.ts";
import { randomStream } from "../../../src/rng.ts";

const operand = (buffer: Buffer): Operand => ({ buffer, line: 0 });
describe("the workspace", () => {
  it("never gives two buffers the same lines while both are needed, and uses lines again", () => {
    const stream = randomStream(1, "workspace");
    const buffers: Buffer[] = Array.from({ length: 200 }, () => ({ lines: 1 + stream.integer(20) }));
    const pick = (upTo: number): Buffer => buffers[Math.max(0, upTo - 1 - stream.integer(12))];
    const steps = buffers.map((out, index) => [pick(index), pick(index), out].map(operand));
    const kept = new Set([buffers[3], buffers[50]]);
    const { firstLines: position, lines } = placeBuffers(steps, kept);
    const uses = (buffer: Buffer): number[] =>
      steps.flatMap((operands, index) => (operands.some((each) => each.buffer === buffer) ? [index] : []));
    const lives = buffers.map((buffer) => {
      const at = position.get(buffer) as number;
      return {
        begin: at,
        end: at + buffer.lines,
        from: Math.min(...uses(buffer)),
        to: kept.has(buffer) ? Infinity : Math.max(...uses(buffer)),
      };
    });
    lives.forEach((a, i) =>
      lives.slice(0, i).forEach((b) => {
        const together = a.from <= b.to && b.from <= a.to;
        expect(together && a.begin < b.end && b.begin < a.end).toBe(false);
      }),
    );
    expect(Math.max(...lives.map(({ end }) => end))).toBe(lines);
    expect(lines).toBeLessThan(buffers.reduce((sum, buffer) => sum + buffer.lines, 0) / 2);
  });
});

describe("stored rows", () => {
  const layouts: readonly RowLayout[] = [
    { lineFloats: 16, crowdedLines: 16 },
    { lineFloats: 32, crowdedLines: Infinity },
  ];
  const cases = layouts.flatMap((layout) => [1, 5, 16, 17, 96, 256, 1024].map((columns) => ({ ...layout, columns })));
  it.each(cases)(
    "of $columns values start on lines of $lineFloats, do not alias, and come back as they went in",
    ({ columns, ...layout }) => {
      const row = rowLength(layout, columns);
      expect([row % layout.lineFloats, row >= columns, row % (layout.crowdedLines * layout.lineFloats) === 0]).toEqual([0, true, false]);
      const dense = Float32Array.from({ length: 3 * columns }, (_, i) => i + 1);
      const stored = new Float32Array(3 * row);
      scatterRows(layout, dense, { rows: 3, columns }, stored);
      expect(stored[2 * row]).toBe(2 * columns + 1);
      const back = new Float32Array(dense.length);
      gatherRows(layout, stored, { rows: 3, columns }, back);
      expect(back).toEqual(dense);
    },
  );
});
