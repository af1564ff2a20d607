/** What learned nothing is no winner: sweeps over data without structure, and at rates far too high, as a user runs them. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { randomStream } from "../../src/rng.ts";
import type { Results } from "../../src/run/results.ts";
import { run, type Finished } from "../support/cli.ts";
import { cpuEngine } from "../support/native.ts";
import { temporaryFolder } from "../support/folder.ts";
import { npy } from "../support/tokens.ts";

const folder = temporaryFolder();
const specOf = (name: string, data: string, rates: string, steps: number): string => {
  const file = `${name}.yaml`;
  writeFileSync(
    join(folder, file),
    `name: ${name}
data: ${data}
model: {layers: 1, head_dim: 8, context: 16}
width: {proxy: 8, target: 16}
train: {steps: ${steps}, batch: 4, evaluate: {every: 20, batches: 4}}
search: {method: grid, confirm: {top: 2, seeds: 2}, parameters: {output_multiplier: {value: 16}, learning_rate: {values: ${rates}}}}
`,
  );
  return file;
};
const sweep = (file: string, ...more: readonly string[]): Promise<Finished> => run(["sweep", file, "--engine", cpuEngine, ...more], folder);
const resultsIn = (name: string): Results => JSON.parse(readFileSync(join(folder, "runs", name, "results.json"), "utf8")) as Results;

describe("on tokens drawn at random", () => {
  let swept: Finished;
  beforeAll(async () => {
    const stream = randomStream(1, "noise");
    const ids = Uint16Array.from({ length: 40_000 }, () => stream.integer(32));
    writeFileSync(join(folder, "noise.npy"), npy("<u2", [ids.length], new Uint8Array(ids.buffer)));
    swept = await sweep(specOf("noise", "{source: {tokens: noise.npy, vocab_size: 32}}", "[0.002, 0.02, 0.06]", 60));
  });

  it("nothing learns, nothing wins, and it is a failure that says why that can be", () => {
    expect(swept.code, swept.stderr).toBe(5);
    expect(swept.stdout).toMatch(/nothing was learned: no trial ended better than it began/);
    expect(swept.stdout).toContain("data without structure");
    expect(swept.stdout).toMatch(/learned nothing: 3\.\d{4}/);
    const { best, trials, analysis, confirmation } = resultsIn("noise");
    expect([best, confirmation]).toEqual([null, []]);
    expect(new Set(trials.map(({ status }) => status))).toEqual(new Set(["untrained"]));
    for (const { validation_loss: loss } of trials) expect(loss).toBeCloseTo(Math.log(32), 0);
    expect(analysis.yardsticks?.uniform).toBeCloseTo(Math.log(32), 12);
    expect(analysis.yardsticks?.frequencies).toBeCloseTo(Math.log(32), 1);
    expect([analysis.median_loss, analysis.optimum]).toEqual([null, null]);
  });
  it("is told of by status, in the table and on the page, and is launched nowhere", async () => {
    const { stdout, code } = await run(["status", "runs/noise", "--json"], folder);
    expect([code, JSON.parse(stdout)]).toEqual([
      0,
      expect.objectContaining({ untrained: 3, completed: 0, best: null, is_done: true, planned: 7 }),
    ]);
    expect((await run(["status", "runs/noise"], folder)).stdout).toContain("3 learned nothing");
    expect(readFileSync(join(folder, "runs/noise/trials.csv"), "utf8").match(/,untrained,3\.\d+/g)).toHaveLength(3);
    expect((await run(["report", "runs/noise", "-q"], folder)).code).toBe(0);
    expect(readFileSync(join(folder, "runs/noise/report/report.html"), "utf8")).toContain("3 learned nothing");
    expect((await run(["transfer", "--best", "runs/noise/results.json"], folder)).code).toBe(5);
  });
});

describe("with rates of which some are far too high", () => {
  it("a loss above that of knowing nothing is a divergence, although it is finite", async () => {
    const { code, stderr, stdout } = await sweep(specOf("steep", "{source: moby-dick}", "[0.002, 0.02, 3]", 40));
    expect(code, stderr).toBe(0);
    const { best, trials } = resultsIn("steep");
    const steep = trials.find(({ hyperparameters }) => hyperparameters.learning_rate === 3);
    expect(steep).toMatchObject({ status: "diverged", validation_loss: null, steps: 40 });
    expect(steep?.curve.at(-1)?.validation_loss).toBeGreaterThan(Math.log(256));
    expect(best?.hyperparameters.learning_rate).toBeLessThan(1);
    expect(stdout).toContain("1 diverged");
  });
});

describe("with too few steps", () => {
  it("a winner that knows no more than the tokens' frequencies is called that, and stays", async () => {
    const { code, stderr, stdout } = await sweep(specOf("short", "{source: moby-dick}", "[0.005, 0.01]", 30));
    expect(code, stderr).toBe(0);
    const { best, analysis } = resultsIn("short");
    expect(best?.validation_loss).toBeGreaterThan(analysis.yardsticks?.frequencies ?? NaN);
    for (const text of [stdout, stderr]) expect(text).toContain("the best has learned hardly more than how frequent each token is");
  });
});
