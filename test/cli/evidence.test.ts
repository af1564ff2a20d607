/** What is known before a launch, through the command line: curves over widths, the edge of a range, the pre-launch check. */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Curves, TransferVerdict } from "../../src/evidence/records.ts";
import type { Results } from "../../src/run/results.ts";
import { run, type Finished } from "../support/cli.ts";
import { temporaryFolder } from "../support/folder.ts";
import { itInCi } from "../support/long.ts";

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

/** Exit codes as docs/command-line.md has them. */
const codes: { readonly [V in TransferVerdict]: number } = { TRANSFERS: 0, DOES_NOT_TRANSFER: 8, INCONCLUSIVE: 9 };

describe("curves", () => {
  const text = `${tiny}search: {trials: 1, parameters: {output_multiplier: {value: 4}}}
curves: {widths: [16, 8], learning_rates: {min: 0.005, max: 0.32, count: 4}, seeds: 2}
`;
  it("train every rate, seed and width once, and continue where they were interrupted", async () => {
    const { code, stdout } = await cli("curves", spec("curves.yaml", text), "--out", "curves");
    expect(stdout).toMatch(/mup, learning rates 0.005 to 0.32, 2 seeds[^]*drift of the optimum[^]*sp_fan_in, learning rates/);
    const { families, seeds, verdict } = jsonIn("curves", "curves.json") as Curves;
    expect([verdict, code]).toEqual([families[0].verdict, codes[families[0].verdict]]);
    expect(seeds).toEqual([1, 2]);
    expect(families.map(({ parametrization, curves }) => [parametrization, curves.map(({ size }) => size)])).toEqual([
      ["mup", [8, 16]],
      ["sp_fan_in", [8, 16]],
    ]);
    const [mup, sp] = families;
    expect(sp.curves[0].points).toEqual(mup.curves[0].points);
    expect(sp.curves[1].points).not.toEqual(mup.curves[1].points);
    for (const { points } of mup.curves) for (const { losses } of points) expect(losses).toHaveLength(2);
    expect(existsSync(join(folder, "curves", "sp_fan_in-8"))).toBe(false);

    const before = readFileSync(join(folder, "curves", "curves.json"), "utf8");
    const journal = readFileSync(join(folder, "curves", "mup-16", "journal.jsonl"), "utf8");
    writeFileSync(join(folder, "curves", "mup-16", "journal.jsonl"), `${journal.split("\n").slice(0, 4).join("\n")}\n`);
    rmSync(join(folder, "curves", "curves.json"));
    expect((await cli("curves", "curves.yaml", "--out", "curves", "-q")).code).toBe(code);
    expect(readFileSync(join(folder, "curves", "curves.json"), "utf8")).toBe(before);
  });
  it("over depths compare CompleteP with μP, which are the same at the base depth", async () => {
    const deep = text.replace("widths: [16, 8]", "depths: [1, 4]");
    const { code, stdout, stderr } = await cli("curves", spec("deep.yaml", deep), "--out", "deep");
    expect(stdout).toMatch(/completep, [^]*\ndepth +loss over rate[^]*per doubling of the depth[^]*mup, /);
    const { axis, families, verdict } = jsonIn("deep", "curves.json") as Curves;
    // The spec's own parametrization is the second here.
    expect([verdict, code], stderr).toEqual([families[1].verdict, codes[families[1].verdict]]);
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
    expect((await cli("curves", "deep.yaml", "--out", "deep", "-q")).code).toBe(code);
    expect((await cli("status", "deep/completep-4", "--json")).stdout).toContain('"completed"');
    const page = await cli("report", "deep", "-q");
    expect(page.code, page.stderr).toBe(0);
    expect(readFileSync(join(folder, "deep", "report", "report.html"), "utf8")).toContain("one curve per depth");
  });
  it("at the base size do not depend on the parametrization, so that one training serves all", async () => {
    const alone = text.replace("widths: [16, 8]", "depths: [1, 2], parametrizations: [mup]");
    expect((await cli("curves", spec("alone.yaml", alone), "--out", "alone", "-q")).stderr).toBe("");
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
      expect.stringMatching(
        /drift of the optimum: not known[^]*has no optimum[^]*left out of that: 4 rates[^]*INCONCLUSIVE: .*lower rates/,
      ),
    ]);
  });
  it("end with the code of the spec's own parametrization: one seed is never enough, and what is only compared is no reason to fail", async () => {
    const coded = async (own: string, compared: string): Promise<readonly unknown[]> => {
      const lines = text
        .replace("seeds: 2", `seeds: 1, parametrizations: [${compared}]`)
        .replace("search:", `parametrization: ${own}\nsearch:`);
      const { code, stdout } = await cli("curves", spec("own.yaml", lines), "--out", `own-${own}`, "--json", "-q");
      const { verdict, families } = JSON.parse(stdout) as Curves;
      return [code, verdict, families.map((family) => family.verdict)];
    };
    expect(await coded("mup", "mup")).toEqual([9, "INCONCLUSIVE", ["INCONCLUSIVE"]]);
    expect(await coded("sp_fan_in", "mup")).toEqual([0, null, ["INCONCLUSIVE"]]);
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
    const swept = await cli("sweep", spec("edge.yaml", search("{values: [0.002, 0.004, 0.008]}")), "--out", "edge", "-q");
    // Everything is written, and silence does not hide that the winner is no optimum.
    expect([swept.code, swept.stdout]).toEqual([5, expect.stringContaining("next: sweep again with learning_rate up to 0.032")]);
    expect(swept.stderr).toMatch(
      /^note: the winner's learning_rate 0\.008 lies at the upper edge of its range [^\n]*widen the range to 0\.032[^\n]*\n$/,
    );
    expect(jsonIn("edge", "results.json")).toMatchObject({ best: { edges: [{ hyperparameter: "learning_rate", matters: true }] } });
    const refused = await cli("transfer", "--best", "edge/results.json", "--width", "16");
    expect([refused.code, refused.stdout, refused.stderr]).toEqual([5, "", expect.stringContaining("sweep again up to 0.032")]);
    const forced = await cli("transfer", "--best", "edge/results.json", "--width", "16", "--force");
    expect([forced.code, forced.stderr]).toEqual([
      0,
      expect.stringContaining("launched all the same: the winner's learning_rate 0.008 lies at"),
    ]);
  });
  it("from the edge of another hyperparameter is refused where that matters, and told of it where not", async () => {
    const at = (multiplier: string): string => `{value: 0.02}, output_multiplier: ${multiplier}`;
    const [against, beside] = await Promise.all([
      cli("sweep", spec("against.yaml", search(at("{values: [0.001, 0.03, 1]}"))), "--out", "against", "-q"),
      cli("sweep", spec("beside.yaml", search(at("{values: [4, 4.01, 4.02]}"))), "--out", "beside"),
    ]);
    expect([against.code, against.stderr]).toEqual([
      5,
      expect.stringMatching(/^note: the winner's output_multiplier 1 lies at the upper edge/),
    ]);
    const refused = await cli("transfer", "--best", "against/results.json", "--width", "16");
    expect([refused.code, refused.stderr]).toEqual([5, expect.stringContaining("output_multiplier 1 lies at the upper edge")]);
    const { best } = jsonIn("beside", "results.json") as Pick<Results, "best">;
    const side = best?.edges[0]?.side;
    // The middle of the list may win: the three are the same to a seed.
    if (side === undefined) return;
    expect(best?.edges).toMatchObject([{ hyperparameter: "output_multiplier", matters: false }]);
    expect([beside.code, beside.stderr]).toEqual([
      0,
      expect.stringContaining("do not show that it gains more by that than a seed changes"),
    ]);
    const launched = await cli("transfer", "--best", "beside/results.json", "--width", "16");
    expect([launched.code, launched.stderr]).toEqual([
      0,
      expect.stringContaining("do not show that it owes that more than a seed changes"),
    ]);
  });
  itInCi("of a target far wider than the proxy is checked first, once, and compared with what was predicted", async () => {
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
