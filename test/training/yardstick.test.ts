/** What a training that came to its end is called, by what is lost without any. */
import { describe, expect, it } from "vitest";
import type { Outcome } from "../../src/training/outcome.ts";
import { judged, learningMarginNats, untrainedLoss } from "../../src/training/yardstick.ts";

const vocabulary = 64;
const uniform = Math.log(vocabulary);
const ended = (first: number | null, last: number, status: Outcome["status"] = "completed"): Outcome => ({
  status,
  validationLoss: last,
  steps: 10,
  curve: [
    { step: 0, validationLoss: first, trainingLoss: null },
    { step: 10, validationLoss: last, trainingLoss: last },
  ],
});

describe("the yardstick", () => {
  it("is the lower of the first loss and the uniform guess's", () => {
    expect(untrainedLoss(ended(9, 1), vocabulary)).toBe(uniform);
    expect(untrainedLoss(ended(3, 1), vocabulary)).toBe(3);
    expect(untrainedLoss(ended(null, 1), vocabulary)).toBe(uniform);
    expect(untrainedLoss({ curve: [{ step: 5, validationLoss: 1, trainingLoss: 1 }] }, vocabulary)).toBe(uniform);
  });
  it("tells what learned from what learned nothing and what ended worse", () => {
    const margin = learningMarginNats(vocabulary);
    for (const first of [uniform, 9]) {
      expect(judged(ended(first, uniform - 1.1 * margin), vocabulary).status).toBe("completed");
      expect(judged(ended(first, uniform - 0.9 * margin), vocabulary)).toMatchObject({
        status: "untrained",
        validationLoss: uniform - 0.9 * margin,
      });
      expect(judged(ended(first, uniform + 0.9 * margin), vocabulary).status).toBe("untrained");
      expect(judged(ended(first, uniform + 1.1 * margin), vocabulary)).toMatchObject({ status: "diverged", validationLoss: null });
    }
    // A first loss below the uniform guess's is what is to be beaten.
    expect(judged(ended(3, 3.2), vocabulary).status).toBe("diverged");
    expect(judged(ended(3, 2.99), vocabulary).status).toBe("untrained");
  });
  it("allows less where there is less to learn: of two tokens, a loss of 0.66 nats has learned", () => {
    expect(judged(ended(Math.log(2), 0.66), 2).status).toBe("completed");
    expect(learningMarginNats(50_000)).toBe(0.05);
  });
  it("leaves alone what has not come to its end", () => {
    for (const status of ["stopped", "diverged"] as const)
      expect(judged(ended(uniform, 9, status), vocabulary)).toEqual(ended(uniform, 9, status));
  });
});
