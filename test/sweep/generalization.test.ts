import { describe, expect, it } from "vitest";
import { partingOf, passesOf } from "../../src/sweep/generalization.ts";
import { dataNotes, passNotes } from "../../src/report/notes.ts";

const run = (trainingLoss: number | null, validationLoss: number | null): Parameters<typeof partingOf>[0][number] => ({
  trainingLoss,
  validationLoss,
});

describe("training and validation loss part", () => {
  it("by more than a tenth of a nat, and by more than seeds explain", () => {
    expect(partingOf([run(2, 2.05), run(2, 2.06)])).toBeUndefined();
    expect(partingOf([run(2, 1.7), run(2, 1.6)])).toBeUndefined();
    expect(partingOf([run(2, 2.5), run(2, 2.52), run(2, 2.48)])).toMatchObject({ trainingLoss: 2, validationLoss: 2.5 });
    expect(partingOf([run(2, 2.5), run(2, 3.5), run(2, 1.9)])).toBeUndefined();
    expect(partingOf([run(2, 2.5)])).toEqual({ trainingLoss: 2, validationLoss: 2.5, errorNats: null });
  });

  it("says nothing without losses", () => {
    expect(partingOf([])).toBeUndefined();
    expect(partingOf([run(null, 2), run(2, null)])).toBeUndefined();
  });
});

it("passes over a text are told of from twice on", () => {
  const spec = { train: { steps: 100, batch: 4 }, model: { context: 8 } } as Parameters<typeof passesOf>[0];
  expect(passesOf(spec, 3200)).toBe(1);
  expect([passNotes(2), passNotes(undefined)]).toEqual([[], []]);
  expect(passNotes(2.06)).toEqual([expect.stringContaining("2.1 times")]);
  expect(passNotes(57.3)).toEqual([expect.stringContaining("57 times")]);
});

it("losses that part while a text is read once are laid to the held-out text", () => {
  const parting = { trainingLoss: 2, validationLoss: 3, errorNats: null };
  expect(dataNotes({ passes: 0.5, parting })).toEqual([expect.stringContaining("unlike the one that is trained on")]);
  expect(dataNotes({ passes: 50, parting })).toHaveLength(2);
});
