import { describe, expect, it } from "vitest";
import { LaneRecord } from "../../src/training/outcome.ts";

describe("a trial's record", () => {
  it("averages training losses between evaluations and ends with the last validation loss", () => {
    const record = new LaneRecord();
    record.evaluated(0, 5);
    record.trained(1, 4);
    record.trained(2, 3);
    record.evaluated(2, 3.2);
    record.trained(3, 2);
    record.evaluated(3, 2.5);
    expect(record.outcome(3, 3)).toEqual({
      status: "completed",
      validationLoss: 2.5,
      steps: 3,
      curve: [
        { step: 0, validationLoss: 5, trainingLoss: null },
        { step: 2, validationLoss: 3.2, trainingLoss: 3.5 },
        { step: 3, validationLoss: 2.5, trainingLoss: 2 },
      ],
    });
  });

  it.each([NaN, Infinity, 2e4])("diverges at the step whose loss is %d, whatever follows", (loss) => {
    const record = new LaneRecord();
    record.evaluated(0, 5);
    for (const [index, each] of [4, loss, 3, NaN].entries()) record.trained(index + 1, each);
    record.evaluated(4, 3);
    expect(record.outcome(4, 9)).toEqual({
      status: "diverged",
      validationLoss: null,
      steps: 2,
      curve: [{ step: 0, validationLoss: 5, trainingLoss: null }],
    });
  });

  it("does not diverge while its loss is large but no more than a wild start", () => {
    const record = new LaneRecord();
    record.trained(1, 9000);
    record.evaluated(1, 9000);
    expect(record.outcome(1, 1)).toMatchObject({ status: "completed", validationLoss: 9000 });
  });

  it("is stopped, not completed, before the last planned step", () => {
    const record = new LaneRecord();
    record.trained(1, 4);
    record.evaluated(1, 3);
    expect(record.outcome(1, 2)).toMatchObject({ status: "stopped", validationLoss: 3, steps: 1 });
  });

  it("diverges at an evaluation too", () => {
    const record = new LaneRecord();
    record.trained(1, 4);
    record.evaluated(1, NaN);
    expect(record.outcome(1, 9)).toMatchObject({
      status: "diverged",
      steps: 1,
      curve: [{ step: 1, validationLoss: null, trainingLoss: 4 }],
    });
  });

  it("reports each loss once, a divergence between evaluations too, and after a checkpoint all there were", () => {
    const record = new LaneRecord();
    record.evaluated(0, 5);
    const all = [{ step: 0, validationLoss: 5 }];
    expect([record.unreported(), record.unreported()]).toMatchObject([all, []]);
    const resumed = new LaneRecord(record.snapshot);
    record.trained(1, NaN);
    expect([record.unreported(), record.unreported()]).toEqual([[{ step: 1, validationLoss: null }], []]);
    resumed.evaluated(1, NaN);
    expect([resumed.unreported(), resumed.unreported()]).toMatchObject([[...all, { step: 1, validationLoss: null }], []]);
  });
});
