/** The page as text: what users wrote cannot break out of it, and very large sweeps stay small. */
import { describe, expect, it } from "vitest";
import { prelaunchSchema, sealed } from "../../src/evidence/records.ts";
import { coordinateCheck } from "../../src/report/page/coordinates.ts";
import { csvOf, jsonOf } from "../../src/report/page/files.ts";
import { lossFrame, trialFrame } from "../../src/report/page/frames.ts";
import { sampledTrials, type ReportInput } from "../../src/report/page/input.ts";
import { thinned } from "../../src/statistics.ts";
import { makeReport } from "../../src/report/page/report.ts";
import { scripts } from "../../src/report/page/script.ts";
import { inkPairs } from "../../src/report/page/theme.ts";
import type { TrialResult } from "../../src/run/trial-result.ts";
import { inventedAnalysis, inventedCheck, inventedCurves, inventedPrelaunch } from "../support/evidence.ts";
import { inputOf, madeTrial, reportSpec, runOf } from "../support/report.ts";
import type { RunRecord } from "../../src/run/records.ts";

const made = (count: number): readonly TrialResult[] => Array.from({ length: count }, (_, id) => madeTrial(id));

it("what users named cannot become markup, in the page or in a figure", async () => {
  const evil = `</title></text><script>alert(1)</script><img src=x onerror="alert(2)">' & "`;
  const input = inputOf(made(12));
  const { page, figures } = await makeReport({
    ...input,
    folder: evil,
    run: { ...(runOf(reportSpec(12)) as RunRecord), name: evil, arithmetic: evil },
    ranked: input.ranked.map((trial) => ({ ...trial, hyperparameters: { ...trial.hyperparameters, [evil]: trial.id } })),
    analysis: { ...inventedAnalysis, importance: [{ hyperparameter: evil, share: 0.5, low: 0, high: 1 }] },
    sample: input.sample.map((trial) => ({ ...trial, hyperparameters: { ...trial.hyperparameters, [evil]: trial.id } })),
    spec: undefined,
    damages: [{ line: 1, problem: evil }],
    problems: [evil],
    notes: [evil],
    curves: { ...inventedCurves, families: inventedCurves.families.map((family) => ({ ...family, parametrization: evil })) },
    prelaunch: sealed({ ...inventedPrelaunch, coordinates: { verdict: "FAIL", reason: evil }, objections: [evil] }),
    coordCheck: {
      ...inventedCheck,
      parametrization: evil,
      reason: evil,
      coordinates: inventedCheck.coordinates.map((each) => ({ ...each, tensor: evil + each.tensor, note: evil })),
    },
  });
  for (const text of [page.replace(`<script>${scripts.static}</script>`, ""), ...figures.map(({ svg }) => svg)]) {
    expect(text).not.toMatch(/<script|<img/i);
    // Every tag's attributes are ours: none of them is a handler.
    for (const [tag] of text.matchAll(/<[a-z][^<>]*>/gi)) expect(tag.replace(/"[^"]*"/g, "")).not.toMatch(/\son\w+\s*=/i);
  }
  expect(page).toContain("&lt;script&gt;alert(1)&lt;/script&gt;");
  expect(page).toContain("Content-Security-Policy");
});

describe("a sweep of very many trials", () => {
  it("is sampled, says so, and keeps its winner and its improvements", async () => {
    const trials = made(30_000);
    const input = inputOf(trials);
    const { page, figures } = await makeReport(input);
    expect(page.length).toBeLessThan(5e6);
    expect(page).toContain(`Of 30000 trials ${sampledTrials} are drawn`);
    expect(page).toContain("The best 200 of 30000 are listed");
    const rowsOf = (name: string): readonly Readonly<Record<string, unknown>>[] =>
      JSON.parse(figures.find((figure) => figure.name === name)?.json ?? "") as Readonly<Record<string, unknown>>[];
    const history = rowsOf("history");
    let [best, improvements] = [Infinity, 0];
    for (const { validation_loss: loss } of trials) {
      if (loss === null || loss >= best) continue;
      best = loss;
      improvements++;
    }
    expect(history.filter(({ improved }) => improved === true)).toHaveLength(improvements);
    expect(history.at(-1)).toMatchObject({ trial: 29_999, best_so_far: best });
    expect(history.length).toBeLessThan(sampledTrials + improvements + 1);
    expect(rowsOf("slices").filter(({ winner }) => winner === true)).toHaveLength(2);
    expect(new Set(rowsOf("training-curves").map(({ trial }) => trial)).size).toBeLessThanOrEqual(200);
  });

  it("keeps the first and the last of what it thins", () => {
    const items = Array.from({ length: 1001 }, (_, index) => index);
    const kept = thinned(items, 11);
    expect(kept).toEqual([0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000]);
    expect(thinned(items, 2000)).toBe(items);
  });
});

it("runs without a completed trial, or with one, have a page too", async () => {
  expect((await makeReport(inputOf([madeTrial(6), madeTrial(13)]))).page).toContain("no trial completed");
  expect((await makeReport(inputOf([madeTrial(1)]))).page).toContain("2.1");
  expect((await makeReport(inputOf([]))).figures).toEqual([]);
});

describe("what the page says of trials", () => {
  const ended = made(12).map((trial): TrialResult => {
    if (trial.id === 0) return { ...trial, status: "untrained", validation_loss: 1.5 };
    return trial.id === 3 ? { ...trial, status: "stopped", steps: 50 } : trial;
  });
  const input = inputOf(ended);
  const [first, second] = input.ranked;
  const confirmed = [
    { trial: first.id, seeds: 3, mean: 2.25, standardError: 0.0125 },
    { trial: second.id, seeds: 3, mean: null, standardError: null },
  ];
  const rowsOf = (
    figures: readonly { readonly name: string; readonly json: string }[],
    name: string,
  ): readonly Readonly<Record<string, unknown>>[] =>
    JSON.parse(figures.find((figure) => figure.name === name)?.json ?? "[]") as Readonly<Record<string, unknown>>[];

  it("is how each ended, by word and by mark", async () => {
    const { page, figures } = await makeReport(input);
    for (const words of ["◆ winner", "● completed", "○ stopped early", "□ learned nothing", "× diverged", "| failed"])
      expect(page).toContain(`<td>${words}</td>`);
    expect(new Set(rowsOf(figures, "parallel-coordinates").map(({ group }) => group))).toEqual(
      new Set(["best fifth", "second", "third", "fourth", "worst fifth", "stopped early", "learned nothing", "diverged"]),
    );
  });

  it("counts no training that learned nothing for an improvement", async () => {
    const { figures } = await makeReport(input);
    const rows = rowsOf(figures, "history");
    expect(rows[0]).toMatchObject({ trial: 0, improved: false, best_so_far: null });
    expect(rows[1]).toMatchObject({ trial: 1, improved: true });
    const none = inputOf([{ ...madeTrial(0), status: "untrained" }]);
    expect((await makeReport(none)).page).not.toContain("The last improvement");
  });

  it("is the mean over fresh seeds wherever there is one", async () => {
    const best = input.best && { ...input.best, validation_loss: 2.25, standard_error: 0.0125 };
    const { page, figures } = await makeReport({ ...input, confirmed, best });
    expect(page).toContain(`<td class="number" data-value="2.25">2.2500 ± 0.0125 (3)</td>`);
    expect(page).toContain("mean over 3 fresh seeds with its standard error, 2.2500 ± 0.0125");
    expect(page).toContain("no mean (3)");
    for (const name of ["loss-by-learning-rate", "slices"])
      expect(rowsOf(figures, name).find(({ trial }) => trial === first.id)).toMatchObject({ mean: 2.25, standard_error: 0.0125, seeds: 3 });
    expect(page).toContain("one standard error on either side");
  });

  it("has the values themselves on its axes, and no exponents", async () => {
    const { figures } = await makeReport({ ...input, curves: inventedCurves, coordCheck: inventedCheck });
    const labels = (name: string): readonly string[] =>
      [...(figures.find((figure) => figure.name === name)?.svg ?? "").matchAll(/>([^<>]+)<\/text>/g)].map(([, text]) => text);
    expect(labels("loss-by-learning-rate")).toEqual(expect.arrayContaining(["0.001", "0.01", "0.1"]));
    expect(labels("slices")).toEqual(expect.arrayContaining(["0.01", "20", "40"]));
    expect(labels("coordinate-check")).toEqual(expect.arrayContaining(["32", "64", "128", "256"]));
    for (const { name } of figures) expect(labels(name).filter((label) => /2\^|\de[+-]\d/.test(label))).toEqual([]);
  });

  it("is known as a whole only when the sweep has ended", async () => {
    const going = await makeReport({ ...input, phase: "running" });
    expect(going.page).toContain("are known when the sweep has ended");
    expect(going.figures.map(({ name }) => name)).not.toContain("importance");
    const { page, figures } = await makeReport({ ...input, analysis: inventedAnalysis });
    expect(page).toContain("The best learning rate is 0.0159, between 0.012 and 0.021 at 90 % confidence.");
    expect(page).toContain("learning_rate mattered most: 80 %");
    expect(rowsOf(figures, "importance")).toEqual(inventedAnalysis.importance);
    const svg = (of: typeof figures): string => of.find(({ name }) => name === "loss-by-learning-rate")?.svg ?? "";
    expect([svg(going.figures), svg(figures)].map((text) => text.includes("mark-rect role-mark"))).toEqual([false, true]);
  });

  it("follows what is in training, the target as well", async () => {
    const training = (trial: number): ReportInput["live"] => ({
      ...{ fraction: 0.5, stepsPerSecond: null, secondsLeft: null },
      stacks: [{ step: 50, trainings: [{ trial, seed: 1, curve: [25, 50].map((step) => ({ step, validationLoss: 3 - step / 100 })) }] }],
    });
    const proxies = await makeReport({ ...input, phase: "running", live: training(12) }, "live");
    expect(rowsOf(proxies.figures, "training-curves").filter(({ kind }) => kind === "growing")).toHaveLength(2);
    expect(proxies.page).toContain("trial 12: in training, step 50");
    for (const [trial, phase] of [
      [-1, "running"],
      [1, "finished"],
    ] as const) {
      const { page, figures } = await makeReport({ ...input, phase, live: training(trial) }, "live");
      expect(rowsOf(figures, "training-curves").filter(({ kind }) => kind === "growing target")).toHaveLength(2);
      expect(page.includes("what follows it is being trained")).toBe(phase === "finished");
      expect(page).toContain("target, in training");
    }
  });

  it("is the same, byte for byte, from the same input", async () => {
    const once = await makeReport(input);
    await makeReport(inputOf(made(5)));
    expect(await makeReport(input)).toEqual(once);
  });
});

it("a prediction that was changed afterwards is refused", () => {
  const record = sealed(inventedPrelaunch);
  expect(prelaunchSchema.parse(JSON.parse(JSON.stringify(record)))).toEqual(record);
  expect(prelaunchSchema.safeParse({ ...record, objections: [] }).error?.issues[0].message).toContain("changed after it was written");
});

it("what was checked before the launch stands beside what came of it", async () => {
  const { page } = await makeReport({ ...inputOf(made(3)), prelaunch: sealed(inventedPrelaunch) });
  for (const text of ["1.7000 (1.6500 to 1.7400)", "twice the winner&#39;s", "WARN, one is doubtful", "at width 128 it is worse"])
    expect(page).toContain(text);
  expect((await makeReport(inputOf(made(3)))).page).not.toContain("before the launch");
});

it("a few very bad losses do not flatten the others", () => {
  expect(lossFrame([2, 2.1, 2.2, 2.3, 2.4]).high).toBeGreaterThan(2.4);
  const frame = lossFrame([2, 2.1, 2.2, 2.3, 900]);
  expect([frame.low < 2, frame.high > 2.3, frame.high < 10]).toEqual([true, true, true]);
});

it("trials that were stopped early do not flatten those that went on", () => {
  const rows = [2.4, 2.41, 2.45, 2.5, 2.6, 2.7, 4.1, 8, 15].map((loss, index) => ({ loss, status: index < 3 ? "completed" : "stopped" }));
  const lossOf = ({ loss }: { readonly loss?: unknown }): number => Number(loss);
  expect(trialFrame(rows, lossOf).high).toBeLessThan(3);
  expect(
    trialFrame(
      rows.map((row) => ({ ...row, status: "completed" })),
      lossOf,
    ).high,
  ).toBeGreaterThan(5);
});

it("a coordinate check names what is bad first, at its last step only", () => {
  const early = inventedCheck.coordinates.map((each) => ({ ...each, step: 1, verdict: "FAIL" as const }));
  const { table, rows } = coordinateCheck({ ...inventedCheck, coordinates: [...early, ...inventedCheck.coordinates] });
  expect(table?.rows.slice(0, 3).map((row) => row[4])).toEqual(["FAIL", "WARN", "WARN"]);
  expect(new Set(rows.map(({ step }) => step))).toEqual(new Set([4]));
  expect(rows.find(({ tensor, statistic, size }) => tensor === "readout" && statistic === "update" && size === 256)).toMatchObject({
    log2_ratio: expect.closeTo(3 * 0.52) as number,
    side: "μP",
  });
});

it("CSV quotes what would break a line; JSON is the same rows", () => {
  const rows = [{ a: 'x,"y"\nz', b: null, c: 0.5 }];
  expect(csvOf(rows)).toBe('a,b,c\n"x,""y""\nz",,0.5\n');
  expect(JSON.parse(jsonOf(rows))).toEqual(rows);
});

it("every colour has a counterpart in the dark that is as easy to see", () => {
  const luminance = (hex: string): number => {
    const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255);
    const linear = (value: number): number => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  };
  const contrast = (a: string, b: string): number => {
    const [x, y] = [luminance(a), luminance(b)];
    return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
  };
  const surface = inkPairs[inkPairs.length - 1];
  // The grid is meant to recede; the rest must stand out as WCAG asks of graphics.
  const inks = inkPairs.slice(0, -1).filter(({ light }) => light !== "#e4e7ec");
  for (const { light, dark } of inks)
    expect([light, contrast(light, surface.light) >= 3, contrast(dark, surface.dark) >= 3]).toEqual([light, true, true]);
  expect(new Set(inkPairs.map(({ light }) => light)).size).toBe(inkPairs.length);
});
