import { expect, it } from "vitest";
import { trialsCsv } from "../../src/run/trials-csv.ts";
import type { TrialResult } from "../../src/run/trial-result.ts";
import { endedTrial } from "../support/run.ts";

const trial = (id: number, loss: number | null, rate: number, reason?: string): TrialResult =>
  endedTrial(id, loss, { learning_rate: rate, init_std: 1 }, reason);

it("has every trial and hyperparameter, exactly", () => {
  const trials = [trial(2, 1.23456, 0.012345678), trial(0, 2, 0.1), trial(1, null, 1), trial(3, null, 2, 'died, "badly"')];
  expect([...trialsCsv(trials, 1)].join("")).toBe(
    [
      "rank,trial,status,validation_loss,steps,seed,learning_rate,init_std,reason",
      "1,2,completed,1.23456,10,1,0.012345678,1,",
      "2,0,completed,2,10,1,0.1,1,",
      "3,1,diverged,,10,1,1,1,",
      '4,3,failed,,10,1,2,1,"died, ""badly"""',
      "",
    ].join("\n"),
  );
});
