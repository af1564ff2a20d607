/** What is known before a launch, through the command line: curves over widths, the edge of a range, the pre-launch check. */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Curves } from "../../src/evidence/records.ts";
import { run, type Finished } from "../support/cli.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();
const cli = (...args: string[]): Promise<Finished> => run(args, folder);
const spec = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return name;
};
const jsonIn = (...path: string[]): unknown => JSON.parse(readFileSync(join(folder, ...path), "utf8"));
const tiny = `name: tiny
data: {source: moby-dick}
model: {layers: 1, head_dim: 8, context: 16}
width: {proxy: 8, target: 40}
train: {steps: 60, batch: 4, evaluate: {every: 60, batches: 2}}
`;

describe("curves", () => {
  const text = `${tiny}search: {trials: 1, parameters: {output_multiplier: {value: 4}}}
curves: {widths: [16, 8], learning_rates: {min: 0.005, max: 0.32, count: 4}, seeds: 2}
`;
  it("train every rate, seed and width once, and continue where they were interrupted", async () => {
    const { code, stdout } = await cli("curves", spec("curves.yaml", text), "--out", "curves");
    expect(code).toBe(0);
    expect(stdout).toMatch(/mup, learning rates 0.005 to 0.32, 2 seeds[^]*drift of the optimum[^]*sp, learning rates/);
    const { families, seeds } = jsonIn("curves", "curves.json") as Curves;
    expect(seeds).toEqual([1, 2]);
    expect(families.map(({ parametrization, curves }) => [parametrization, curves.map(({ size }) => size)])).toEqual([
      ["mup", [8, 16]],
      ["sp", [8, 16]],
    ]);
    const [mup, sp] = families;
    expect(sp.curves[0].points).toEqual(mup.curves[0].points);
    expect(sp.curves[1].points).not.toEqual(mup.curves[1].points);
    for (const { points } of mup.curves) for (const { losses } of points) expect(losses).toHaveLength(2);
    expect(existsSync(join(folder, "curves", "sp-8"))).toBe(false);

    const before = readFileSync(join(folder, "curves", "curves.json"), "utf8");
    const journal = readFileSync(join(folder, "curves", "mup-16", "journal.jsonl"), "utf8");
    writeFileSync(join(folder, "curves", "mup-16", "journal.jsonl"), `${journal.split("\n").slice(0, 4).join("\n")}\n`);
    rmSync(join(folder, "curves", "curves.json"));
    expect((await cli("curves", "curves.yaml", "--out", "curves", "-q")).code).toBe(0);
    expect(readFileSync(join(folder, "curves", "curves.json"), "utf8")).toBe(before);
  });
  it("over depths compare CompleteP with μP, which are the same at the base depth", async () => {
    const deep = text.replace("widths: [16, 8]", "depths: [1, 4]");
    const { code, stdout, stderr } = await cli("curves", spec("deep.yaml", deep), "--out", "deep");
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/completep, [^]* depth +loss over rate[^]*per doubling of the depth[^]*mup, /);
    const { axis, families } = jsonIn("deep", "curves.json") as Curves;
    expect([axis, families.map(({ curves }) => curves.map(({ size }) => size))]).toEqual([
      "depth",
      [
        [1, 4],
        [1, 4],
      ],
    ]);
    const [completep, mup] = families;
    expect(mup.curves[0].points).toEqual(completep.curves[0].points);
    expect(mup.curves[1].points).not.toEqual(completep.curves[1].points);
    expect((await cli("curves", "deep.yaml", "--out", "deep", "-q")).code).toBe(0);
    expect((await cli("status", "deep/completep-4", "--json")).stdout).toContain('"completed"');
    const page = await cli("report", "deep", "-q");
    expect(page.code, page.stderr).toBe(0);
    expect(readFileSync(join(folder, "deep", "report", "report.html"), "utf8")).toContain("one curve per depth");
  });
  it("at the base size do not depend on the parametrization, so that one training serves all", async () => {
    const alone = text.replace("widths: [16, 8]", "depths: [1, 2], parametrizations: [mup]");
    expect((await cli("curves", spec("alone.yaml", alone), "--out", "alone", "-q")).code).toBe(0);
    const [shared, own] = ["deep", "alone"].map((name) => (jsonIn(name, "curves.json") as Curves).families[0].curves[0].points);
    expect(own).toEqual(shared);
  });
  it("of which nothing trains are no evidence", async () => {
    const { code, stdout } = await cli(
      "curves",
      spec(
        "wild.yaml",
        text.replace("min: 0.005, max: 0.32", "min: 1e5, max: 1e9").replace("seeds: 2", "seeds: 1, parametrizations: [mup]"),
      ),
      "--out",
      "wild",
    );
    expect([code, stdout]).toEqual([
      5,
      expect.stringMatching(/drift of the optimum: not known[^]*has no optimum[^]*left out of that: 4 places/),
    ]);
  });
  it.each([
    [tiny, "no_curves"],
    [text.replace("min: 0.005, max: 0.32", "min: 0.01, max: 0.010001"), "empty_range"],
    [text.replace("widths:", "depths: [1, 2], widths:"), "curves_axis"],
    [text.replace("widths: [16, 8], ", ""), "curves_axis"],
    [text.replace("[16, 8]", "[8, 12]"), "width_not_divisible"],
    [text.replace("{value: 4}", "{values: [4, 8]}"), "curves_vary_one"],
    [text.replace("max: 0.32", "max: 0.001"), "empty_range"],
  ])("refuse what they cannot train: %#", async (wrong, code) => {
    const { code: exit, stderr } = await cli("curves", spec("wrong.yaml", wrong), "--out", "wrong");
    expect([exit, stderr]).toEqual([2, expect.stringContaining(code)]);
  });
});

describe("a launch", () => {
  const search = (rates: string): string => `${tiny}search: {confirm: false, trials: 3, parameters: {learning_rate: ${rates}}}\n`;

  it("from the edge of the range is refused with how far to look, unless it is forced", async () => {
    await cli("sweep", spec("edge.yaml", search("{values: [0.0001, 0.0002, 0.0004]}")), "--out", "edge", "-q");
    const refused = await cli("transfer", "--best", "edge/results.json", "--width", "16");
    expect([refused.code, refused.stdout, refused.stderr]).toEqual([5, "", expect.stringContaining("sweep again with max: 0.0016")]);
    expect((await cli("transfer", "--best", "edge/results.json", "--width", "16", "--force", "-q")).code).toBe(0);
  });
  it("of a target far wider than the proxy is checked first, once, and compared with what was predicted", async () => {
    await cli("sweep", spec("wide.yaml", search("{values: [0.005, 0.02, 0.3]}")), "--out", "wide", "-q");
    const launched = await cli("transfer", "--best", "wide/results.json", "--force");
    expect(launched.code, launched.stderr).toBe(0);
    expect(launched.stderr).toMatch(
      /pre-launch check: coordinates (PASS|WARN|FAIL|INCONCLUSIVE)\nwidth 16 at half, once and twice[^]*predicted for width 40/,
    );
    const { prediction, between } = jsonIn("wide", "prelaunch.json") as {
      prediction: { validation_loss: number };
      between: { width: number };
    };
    expect(between.width).toBe(16);
    expect(launched.stdout).toMatch(/predicted \d\.\d+ .*(within|above|below) the range/);
    expect(jsonIn("wide", "transfer.json")).toMatchObject({ predicted_validation_loss: prediction.validation_loss });
    const again = await cli("transfer", "--best", "wide/results.json", "--force");
    expect(again.stderr).not.toContain("pre-launch check: width");
    const skipped = await cli("transfer", "--best", "wide/results.json", "--skip-check");
    expect(skipped.stderr).not.toContain("pre-launch");
  });
});
