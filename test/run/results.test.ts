import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { exitCodes } from "../../src/cli/exit-codes.ts";
import { UserError } from "../../src/errors.ts";
import { flopsPerStep } from "../../src/model/counts.ts";
import { modelConfig, sizesOf } from "../../src/spec/plan.ts";
import { readPlan } from "../../src/spec/read.ts";
import type { Environment } from "../../src/run/environment.ts";
import { parseResults, resultsText, type Results } from "../../src/run/results.ts";
import { rankTrials } from "../../src/sweep/select.ts";
import { summaryOf } from "../../src/run/state.ts";
import type { TrialResult } from "../../src/run/trial-result.ts";
import { temporaryFolder } from "../support/folder.ts";
import { resultsFileOf, resultsOf } from "../support/results.ts";

const folder = temporaryFolder();
const text =
  "name: x\ndata: {source: moby-dick}\nwidth: {proxy: 16, target: 64}\nsearch: {confirm: false, parameters: {learning_rate: {values: [0.01, 0.02]}, weight_decay: {values: [0, 0.1], transfers: false}}}\n";
const plan = await readPlan({ text, file: "x.yaml", directory: folder }, join(folder, "cache"));
const environment: Environment = {
  mutransfer: "0",
  node: "v20",
  engine: "e",
  device: "cpu",
  data_hash: plan.dataset.hash,
  data_directory: ".",
};
const trial = (
  id: number,
  loss: number | null,
  rate = 0.01,
  status: TrialResult["status"] = loss === null ? "diverged" : "completed",
): TrialResult => ({
  id,
  seed: 1,
  hyperparameters: { learning_rate: rate, init_std: 1, weight_decay: 0.1 },
  status,
  validation_loss: loss,
  steps: loss === null ? 100 : 600,
  curve: [],
});

describe("ranking", () => {
  it("goes by loss, ties to the lower learning rate, diverged and failed last", () => {
    const trials = [
      trial(0, null),
      trial(1, 2.5),
      trial(2, 2.1, 0.02),
      trial(3, 2.1, 0.01),
      trial(4, null, 0.01, "failed"),
      trial(5, 2.1, 0.01),
    ];
    const summaries = trials.map((each) => summaryOf(each, { offset: 0, bytes: 0 }));
    expect(rankTrials(summaries).map(({ id }) => id)).toEqual([3, 5, 2, 1, 0, 4]);
  });
});

describe("results.json", () => {
  const file = resultsFileOf(plan, [trial(0, 2.2), trial(1, 2.5), trial(2, null)], environment);
  const results = JSON.parse(file) as Results;
  const refusal = (content: string): readonly [string, number] => {
    try {
      parseResults(content, "results.json");
    } catch (error) {
      if (error instanceof UserError) return [error.diagnostics[0]?.code ?? "", exitCodes[error.kind]];
      throw error;
    }
    return ["", 0];
  };
  const changed = (change: (copy: Results & Record<string, unknown>) => void): string => {
    const copy = JSON.parse(file) as Results & Record<string, unknown>;
    change(copy);
    return JSON.stringify(copy);
  };
  const reversed = (value: unknown): unknown => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    const entries = Object.entries(value).reverse();
    return Object.fromEntries(entries.map(([key, each]) => [key, reversed(each)]));
  };

  const made = (...trials: readonly TrialResult[]): string => resultsFileOf(plan, trials, environment);
  /** With another winner, and a digest that agrees. */
  const sealed = (change: object): string => {
    const { trials, digest, ...head } = results;
    expect(digest).not.toBe("");
    return [...resultsText({ ...head, best: { ...(head.best as NonNullable<Results["best"]>), ...change } }, () => trials)].join("");
  };

  it("holds the winner without what does not transfer, every trial in order, and the complete spec", () => {
    expect(results.best).toEqual({
      trial: 0,
      seed: 1,
      hyperparameters: { learning_rate: 0.01, init_std: 1 },
      validation_loss: 2.2,
      standard_error: null,
      edges: [],
    });
    expect(results.trials.map(({ id }) => id)).toEqual([0, 1, 2]);
    expect(results.spec.search.parameters.embedding_std).toEqual({ value: 1 });
    expect(parseResults(file, "results.json")).toEqual(JSON.parse(file));
  });

  it("has a line for each trial, and is what its parts are put together to", () => {
    expect(file.split("\n").filter((line) => line.startsWith('    {"id":'))).toHaveLength(3);
    expect(file.endsWith("}\n")).toBe(true);
  });

  it("may have its keys in any order", () => {
    const turned = JSON.stringify(reversed(results));
    expect(turned).not.toBe(file);
    expect(parseResults(turned, "results.json")).toEqual(JSON.parse(file));
  });

  it("has no winner when nothing completed", () => {
    expect(resultsOf(plan, [trial(0, null)], environment).best).toBeNull();
  });

  it("counts the steps that were made, against the target's", () => {
    const [proxy, target] = [16, 64].map((width) => flopsPerStep(modelConfig(plan, { ...sizesOf(plan.spec).proxy, width }), 16)) as [
      number,
      number,
    ];
    expect(results.cost).toEqual({ proxy_flops: 1300 * proxy, target_flops: 600 * target, ratio: (1300 * proxy) / (600 * target) });
  });

  it.each<[string, string, readonly [string, number]]>([
    ["no JSON", "name: x", ["results_not_json", 2]],
    ["no results", "[]", ["results_version", 2]],
    ["another version", changed((copy) => Object.assign(copy, { version: 1 })), ["results_version", 2]],
    ["a missing key", changed((copy) => delete (copy as Partial<Results>).cost), ["results_format", 2]],
    ["an extra key", changed((copy) => (copy["note"] = "mine")), ["results_format", 2]],
    [
      "an edited learning rate",
      changed((copy) => copy.best && Object.assign(copy.best.hyperparameters, { learning_rate: 0.02 })),
      ["results_edited", 3],
    ],
    ["an edited loss", changed((copy) => copy.trials[1] && (copy.trials[1].validation_loss = 1)), ["results_edited", 3]],
    ["an edited spec", changed((copy) => Object.assign(copy.spec, { seed: 2 })), ["results_edited", 3]],
    [
      "an edited spec under a digest made for it",
      resultsFileOf({ ...plan, spec: { ...plan.spec, seed: 2 } }, [trial(0, 2.2)], environment),
      ["results_edited", 3],
    ],
    ["a trial beyond the plan", made(trial(0, 2.2), trial(77, 2.5)), ["results_format", 2]],
    ["a trial below zero", made(trial(0, 2.2), trial(-1, 2.5)), ["results_format", 2]],
    ["a trial that is there twice", made(trial(0, 2.2), trial(0, 2.2)), ["results_format", 2]],
    ["a winner with a loss far below zero", made(trial(0, -1e308)), ["results_format", 2]],
    ["more steps than the plan has", made(trial(0, 2.2), { ...trial(1, 2.5), steps: 601 }), ["results_format", 2]],
    ["a seed that the plan has not", made(trial(0, 2.2), { ...trial(1, 2.5), seed: 9 }), ["results_format", 2]],
    ["a winner with other hyperparameters than its trial", sealed({ hyperparameters: { learning_rate: 0.5 } }), ["results_format", 2]],
    ["a winner that is no trial", sealed({ trial: 3 }), ["results_format", 2]],
  ])("is refused: %s", (_, content, expected) => {
    expect(refusal(content)).toEqual(expected);
  });
});
