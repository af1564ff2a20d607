import { describe, expect, it } from "vitest";
import { curveSparklines, renderSparkline, trialSparkline } from "../../src/report/sparkline.ts";
import { plain } from "../../src/report/style.ts";
import { inventedCurves } from "../support/evidence.ts";

describe("a sparkline", () => {
  it("shows each width's valley, where its floor lies, and where training diverged", () => {
    const lines = renderSparkline(curveSparklines(inventedCurves), plain).split("\n");
    expect(lines[0]).toBe("loss over log₂ learning rate, −10 to −3; lower is better");
    expect(lines).toHaveLength(1 + 8);
    expect(lines[4]).toMatch(/^sp 256 {3}[▁▂▃▄▅▆▇█]{5}×{3} {2}best 1\.9900 at 2\^−8$/);
    const bars = lines[8].slice(9, 17);
    expect(bars.indexOf("▁")).toBe(4);
    expect(bars[0]).toBe("█");
  });

  it("of many trials has the best of each part of the range; parts without a trial stay empty", () => {
    const trials = Array.from({ length: 500 }, (_, index) => ({
      status: "completed" as const,
      learningRate: 2 ** (-10 + (index < 250 ? index / 100 : 5 + index / 100)),
      validationLoss: 2 + (index % 10),
    }));
    const [, line] = renderSparkline([trialSparkline(trials, "trials")], plain).split("\n");
    const cells = line.slice("trials  ".length, "trials  ".length + 40);
    expect(cells).toHaveLength(40);
    expect(cells).toMatch(/^▁+ +▁+$/);
  });

  it("of one rate, or of none, is nothing", () => {
    expect(renderSparkline([], plain)).toBe("");
    expect(renderSparkline([trialSparkline([{ status: "completed", learningRate: 0.1, validationLoss: 2 }], "x")], plain)).toBe("");
    const diverged = [0.1, 0.2].map((learningRate) => ({ status: "diverged" as const, learningRate, validationLoss: null }));
    expect(renderSparkline([trialSparkline(diverged, "x")], plain)).toContain("××  every rate diverged");
  });
});
