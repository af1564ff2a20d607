/** What is said of learning-rate curves: numbers with their intervals, and a verdict with its reason. */
import { describe, expect, it } from "vitest";
import type { Curves, Family } from "../../src/evidence/records.ts";
import { between, reasonOf, renderCurves, signed } from "../../src/report/curves.ts";
import { rateCurves } from "../../src/report/page/rate-curves.ts";
import { plain } from "../../src/report/style.ts";
import { inventedCurves } from "../support/evidence.ts";

const [sp, mup] = inventedCurves.families;
const textOf = (...families: readonly Family[]): string => renderCurves({ ...inventedCurves, families: [...families] }, plain);

describe("curves as text", () => {
  it("end with one word and its reason", () => {
    expect(textOf(mup)).toMatch(
      /\nTRANSFERS: the optimum stays, wider is better, and the narrowest's rate is as good at the widest as its own$/,
    );
    expect(textOf(sp)).toMatch(
      /\nDOES NOT TRANSFER: the optimum moves by −1\.14 to −0\.90 octaves per doubling, wider is worse and the narrowest's best rate costs the widest 0\.2700 nats$/,
    );
  });
  it.each([
    [{}, "learning rate"],
    [{ hyperparameter: "muon_learning_rate" }, "Muon learning rate"],
  ])("name the rate that they are over, and so does their figure", (over, word) => {
    const curves = { ...inventedCurves, ...over };
    expect(renderCurves(curves, plain)).toContain(`mup, ${word}s `);
    expect(rateCurves(curves)).toMatchObject({ title: `Loss against ${word}, one curve per width` });
  });
  it("give each number with its interval", () => {
    const text = textOf(sp);
    expect(text).toContain("drift of the optimum: −1.02 octaves per doubling of the width (−1.14 to −0.90)");
    expect(text).toContain("wider, at the best rates: −0.060 nats from the narrowest to the widest (−0.080 to −0.040)");
    expect(text).toContain("wider is clearly worse at 1 of 21 places up to the best rates: 64 → 128 at 0.0019531 by 0.0300");
    expect(text).toContain("keeping the narrowest's best rate at the widest costs 0.2700 nats (+0.250 to +0.290); one seed makes 0.0200");
  });
  it("name what is not sure, and what would tell", () => {
    const unsure: Family = { ...mup, verdict: "INCONCLUSIVE", optimum_stays: null, missing: ["finer_grid", "seeds"] };
    expect(reasonOf("width", unsure)).toBe("it is not sure that the optimum stays: try a finer grid of rates and more seeds");
    const unknown: Family = { ...unsure, larger_is_better: null, smallest_rate_suffices: null, missing: ["lower_rates"] };
    expect(reasonOf("depth", unknown)).toBe(
      "it is not sure that the optimum stays, that deeper is better and that the shallowest's rate is as good at the deepest: try lower rates",
    );
  });
  it("say how far an open drift is known, and that a rate diverges", () => {
    const drift = { per_doubling: null, low: null, high: -0.5 };
    const gap = { nats: null, low: null, high: null, seed_noise: null };
    const text = textOf({
      ...sp,
      drift,
      gap,
      curves: sp.curves.map((each) => ({ ...each, optimum: each.optimum && { ...each.optimum, edge: "low" } })),
    });
    expect(text).toContain(
      "drift of the optimum: −0.50 or less octaves per doubling of the width, at width 32, 64, 128, 256 the best rate lies at the edge of the grid: try lower rates",
    );
    expect(text).toContain("transfer from the narrowest to the widest: the narrowest's best rate diverges at the widest");
    expect(text).toContain("the narrowest's best rate diverges at the widest");
  });
  it("claim nothing of a single size or a single seed", () => {
    const single: Family = {
      ...mup,
      verdict: "INCONCLUSIVE",
      optimum_stays: null,
      missing: ["sizes"],
      drift: null,
      growth: null,
      gap: null,
      places: 0,
      curves: [mup.curves[0]],
    };
    expect(textOf(single)).toMatch(
      /not known, there is one width only\nwider is compared at no place\n[^]*: not known[^]*INCONCLUSIVE: .*: try a second size$/,
    );
    const once = mup.curves.map((curve) => ({
      ...curve,
      points: curve.points.map((point) => ({ ...point, losses: point.losses.slice(0, 1) })),
    }));
    expect(textOf({ ...mup, curves: once })).toContain("with one seed, whether wider is clearly worse is not known");
  });
});

it("an interval may be open on either side", () => {
  const show = (value: number): string => signed(value, 1);
  expect([between(-1, 2, show), between(null, 2, show), between(-1, null, show), between(null, null, show)]).toEqual([
    "−1.0 to +2.0",
    "+2.0 or less",
    "−1.0 or more",
    "",
  ]);
});

it("the figure has a panel for each parametrization, and its verdict beside it", () => {
  const fanIn: Family = { ...sp, parametrization: "sp_fan_in", verdict: "INCONCLUSIVE", optimum_stays: null, missing: ["seeds"] };
  const three: Curves = { ...inventedCurves, families: [sp, fanIn, mup] };
  const { table } = rateCurves(three);
  expect(table?.rows.map(([name, verdict]) => `${name}: ${verdict.split(":")[0]}`)).toEqual([
    "μP: TRANSFERS",
    "SP (fan-in): INCONCLUSIVE",
    "SP: DOES NOT TRANSFER",
  ]);
  expect(table?.rows[2].slice(2)).toEqual(["−1.02 (−1.14 to −0.90)", "1 of 21 places", "+0.270 (+0.250 to +0.290)"]);
});
