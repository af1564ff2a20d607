/** What is said of a finished sweep, in the terminal and on the page: no more than its trials show. */
import { describe, expect, it } from "vitest";
import { resultNotes } from "../../src/report/notes.ts";
import { bestRateText } from "../../src/report/page/findings.ts";
import { makeReport } from "../../src/report/page/report.ts";
import { renderVerdict } from "../../src/report/ranking.ts";
import { plain } from "../../src/report/style.ts";
import { resultsVersion, type ResultsHead } from "../../src/run/results.ts";
import { hashOf } from "../../src/hash.ts";
import { inventedAnalysis } from "../support/evidence.ts";
import { inputOf, madeTrial, reportSpec } from "../support/report.ts";
import { runRecord } from "../support/run.ts";

const spec = reportSpec(12);
const best: NonNullable<ResultsHead["best"]> = {
  trial: 1,
  seed: 1,
  hyperparameters: { learning_rate: 0.01, output_multiplier: 1 },
  validation_loss: 2,
  standard_error: null,
  edges: [{ hyperparameter: "output_multiplier", side: "lower", bound: 1, extend_to: 0.25, share: null, matters: false }],
};
const headOf = (analysis: Partial<ResultsHead["analysis"]>): ResultsHead => ({
  ...{ version: resultsVersion, name: "made", spec, spec_hash: hashOf(spec), best, confirmation: [] },
  analysis: { ...inventedAnalysis, ...analysis },
  cost: { proxy_flops: 1, target_flops: 2, ratio: 0.5 },
  environment: runRecord.environment,
});
const completed = (id: number): { readonly id: number; readonly status: "completed" } => ({ id, status: "completed" });
const verdictOf = (analysis: Partial<ResultsHead["analysis"]>, ids: readonly number[] = [0, 1]): string =>
  renderVerdict(headOf(analysis), ids.map(completed), "results.json", { ...plain, columns: Infinity });

describe("the best learning rate", () => {
  const optimum = { learning_rate: 0.02, low: 0.017, high: 1.86 };
  const stopped = { made: 10, spared: 5 };
  it.each([
    [
      "lower",
      "1.86 or lower: down to 0.017, the lowest rate trained to the end,",
      "by the lowest rate trained to the end, so it may lie below",
    ],
    [
      "upper",
      "0.017 or higher: up to 1.86, the highest rate trained to the end,",
      "by the highest rate trained to the end, so it may lie above",
    ],
  ] as const)("that may lie beyond the %s end names a rate that was trained to the end", (open, line, sentence) => {
    const analysis = { ...inventedAnalysis, optimum: { ...optimum, open }, steps: stopped };
    for (const [text, words] of [
      [verdictOf(analysis), line],
      [bestRateText(analysis), sentence],
    ]) {
      expect(text).toContain(words);
      expect(text).not.toContain("tried");
    }
  });
  it("names the rate that it is of, where that is Muon's", () => {
    for (const [each, told] of [
      [optimum, "The best Muon learning rate is 0.02"],
      [null, "The trials do not determine the best Muon learning rate"],
    ] as const)
      expect(bestRateText({ ...inventedAnalysis, rate: "muon_learning_rate", optimum: each })).toContain(told);
  });
  it.each([{ ...optimum, open: null }, { ...optimum, open: "lower" as const }, null])(
    "leaves out what was stopped early, and says so: %j",
    (each) => {
      for (const spared of [0, 5])
        for (const text of [
          verdictOf({ optimum: each, steps: { made: 10, spared } }),
          bestRateText({ ...inventedAnalysis, optimum: each, steps: { made: 10, spared } }),
        ])
          expect(text.includes("first runs that were stopped early have no part in this")).toBe(spared > 0);
    },
  );
});

describe("one trial alone", () => {
  it("is below no median but its own", () => {
    expect(verdictOf({ median_loss: 2.1 })).toContain("0.1000 below the median trial's");
    expect(verdictOf({ median_loss: 2.1 }, [1, 1, 1])).not.toContain("median");
  });
  it("is no finding about an edge", () => {
    const notes = resultNotes({ best, spec }).join("\n");
    expect(notes).toContain(
      "lies at the lower edge of its range (1); the trials do not show that it gains more by that than a seed changes",
    );
    expect(notes).not.toContain("gains it");
  });
});

describe("what the page does not show", () => {
  const absent = async (count: number, more: Partial<Parameters<typeof makeReport>[0]> = {}): Promise<string> => {
    const trials = Array.from({ length: count }, (_, id) => madeTrial(id));
    const { page } = await makeReport({ ...inputOf(trials), analysis: { ...inventedAnalysis, importance: [] }, ...more });
    return page.slice(page.indexOf('<section id="absent">'));
  };
  const fixed = { ...spec.search, parameters: { ...spec.search.parameters, learning_rate: { value: 0.01 } } };
  it.each([
    [1, {}, "the trials that ended do not have two learning rates, and there is no curves.json"],
    [1, { spec: { ...spec, search: fixed } }, "the learning rate was not searched, and there is no curves.json"],
    [8, {}, "what mattered: too few trials have ended to tell: 7"],
    [1, {}, "what mattered: no hyperparameter differs between the trials that ended"],
    [12, { analysis: undefined }, "what mattered: results.json says it, which is written when the sweep has ended"],
  ] as const)("has its reason: %i trials, %j", async (count, more, reason) => {
    expect(await absent(count, more)).toContain(reason);
  });
});
