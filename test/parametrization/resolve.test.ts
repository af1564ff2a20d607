import { describe, expect, it } from "vitest";
import { attentionScale, residualMultiplier, resolve, type Scaling } from "../../src/parametrization/resolve.ts";
import type { CompleteHyperparameters, Role } from "../../src/parametrization/roles.ts";
import { depthExponents, depthTable, table, type DepthExponents } from "../../src/parametrization/table.ts";
import { tolerances } from "../tolerances.ts";

/** σ = 0.02 absolute at base width 256 is 0.32 in units of 1/√fan_in. */
const hyperparameters: CompleteHyperparameters = {
  learning_rate: 6e-3,
  init_std: 0.32,
  embedding_std: 0.02,
  input_multiplier: 1,
  output_multiplier: 1,
  attention_multiplier: 1,
  weight_decay: 0.1,
};
const at = (width: number, rules = table.mup): Scaling => ({ rules, width, baseWidth: 256, headDim: 64, epsilon: 1e-8 });
const tensor = (role: Role, zeroInit = false, inBlock = false) => ({
  inBlock,
  role,
  baseFanIn: role === "hidden" || role === "readout" ? 256 : 1,
  zeroInit,
});
const near = (actual: number, expected: number): void =>
  void expect(Math.abs(actual - expected) / Math.abs(expected)).toBeLessThan(tolerances.literal);

describe("μP at width 1024 from base width 256 (m = 4)", () => {
  it("hidden: std 0.01, learning rate 1.5e-3, decay 0.4, ε 2.5e-9", () => {
    const scales = resolve(hyperparameters, at(1024), tensor("hidden"));
    near(scales.initStd, 0.01);
    near(scales.learningRate, 1.5e-3);
    near(scales.weightDecay, 0.4);
    near(scales.epsilon, 2.5e-9);
    near(scales.multiplier, 1);
    near(scales.learningRate * scales.weightDecay, 6e-4);
  });

  it("embedding: std 0.02 and learning rate 6e-3 as at the base, ε 2.5e-9", () => {
    const scales = resolve(hyperparameters, at(1024), tensor("embedding"));
    expect([scales.initStd, scales.learningRate, scales.multiplier]).toEqual([0.02, 6e-3, 1]);
    near(scales.epsilon, 2.5e-9);
  });

  it("readout: logits × 0.25, std and learning rate as at the base", () => {
    const scales = resolve(hyperparameters, at(1024), tensor("readout"));
    expect(scales.multiplier).toBe(0.25);
    near(scales.initStd, 0.02);
    expect(scales.learningRate).toBe(6e-3);
    expect(resolve(hyperparameters, at(1024), tensor("readout", true)).initStd).toBe(0);
  });

  it("norms and biases: learning rate as at the base, never decayed", () => {
    for (const role of ["norm", "bias"] as const) {
      const scales = resolve(hyperparameters, at(1024), tensor(role));
      expect([scales.learningRate, scales.weightDecay, scales.initStd, scales.multiplier]).toEqual([6e-3, 0, 0, 1]);
      near(scales.epsilon, 2.5e-9);
    }
  });

  it("attention: 8 / 64 = 0.125", () => {
    expect(attentionScale(hyperparameters, at(1024))).toBe(0.125);
    near(attentionScale({ ...hyperparameters, attention_multiplier: 2 }, at(1024)), 0.25);
  });

  it.each([
    [1, 0.02, 6e-3, 0.1, 1e-8, 1],
    [2, 0.02 / Math.SQRT2, 3e-3, 0.2, 5e-9, 0.5],
    [4, 0.01, 1.5e-3, 0.4, 2.5e-9, 0.25],
  ])("at ratio %i: hidden std %f, rate %f, decay %f, ε %f; readout multiplier %f", (ratio, std, rate, decay, epsilon, multiplier) => {
    const hidden = resolve(hyperparameters, at(256 * ratio), tensor("hidden"));
    near(hidden.initStd, std);
    near(hidden.learningRate, rate);
    near(hidden.weightDecay, decay);
    near(hidden.epsilon, epsilon);
    near(resolve(hyperparameters, at(256 * ratio), tensor("readout")).multiplier, multiplier);
  });
});

describe("CompleteP at width 1024 from 256 (m = 4) and eight times the base depth (mL = 8)", () => {
  const deep = (rules: DepthExponents): Scaling => ({ ...at(1024, table.completep), depth: { rules, layers: 16, baseLayers: 2 } });
  const inBlock = (role: Role) => tensor(role, false, true);

  it("a = 1: residual 0.125, hidden rate 1.5e-3, ε 3.125e-10 in blocks and 2.5e-9 outside", () => {
    expect(depthTable.completep).toEqual(depthExponents(1));
    const scaling = deep(depthExponents(1));
    near(residualMultiplier(scaling), 0.125);
    for (const role of ["hidden", "norm", "bias"] as const) near(resolve(hyperparameters, scaling, inBlock(role)).epsilon, 3.125e-10);
    for (const role of ["embedding", "readout", "norm", "bias"] as const)
      near(resolve(hyperparameters, scaling, tensor(role)).epsilon, 2.5e-9);
    near(resolve(hyperparameters, scaling, inBlock("hidden")).learningRate, 1.5e-3);
    near(resolve(hyperparameters, scaling, inBlock("norm")).learningRate, 6e-3);
    near(resolve(hyperparameters, scaling, inBlock("hidden")).initStd, 0.01);
  });

  it("a = ½: residual 0.35355, hidden rate 5.3033e-4, and the final norm's rate as at the base", () => {
    const scaling = deep(depthExponents(0.5));
    near(residualMultiplier(scaling), 1 / Math.sqrt(8));
    near(resolve(hyperparameters, scaling, inBlock("hidden")).learningRate, 1.5e-3 / Math.sqrt(8));
    near(resolve(hyperparameters, scaling, inBlock("bias")).learningRate, 6e-3 / Math.sqrt(8));
    near(resolve(hyperparameters, scaling, tensor("norm")).learningRate, 6e-3);
  });

  it("is μP at the base depth, and μP's residuals have no multiplier", () => {
    const scaling: Scaling = { ...deep(depthExponents(1)), depth: { rules: depthExponents(1), layers: 2, baseLayers: 2 } };
    expect(resolve(hyperparameters, scaling, inBlock("hidden"))).toEqual(resolve(hyperparameters, at(1024), inBlock("hidden")));
    expect([residualMultiplier(scaling), residualMultiplier(at(1024))]).toEqual([1, 1]);
  });
});

describe.each(["sp", "sp_fan_in"] as const)("%s", (name) => {
  it("equals μP bit for bit at width ratio 1", () => {
    for (const role of Object.keys(table.mup) as Role[])
      expect(resolve(hyperparameters, at(256), tensor(role))).toEqual(resolve(hyperparameters, at(256, table[name]), tensor(role)));
  });
});

describe("sp", () => {
  it("leaves every value as it is at other widths", () => {
    for (const role of Object.keys(table.sp) as Role[])
      expect(resolve(hyperparameters, at(2048, table.sp), tensor(role))).toEqual(resolve(hyperparameters, at(256, table.sp), tensor(role)));
  });
});

describe("sp_fan_in", () => {
  const [hidden, readout] = (["hidden", "readout"] as const).map(
    (role) => (width: number) => resolve({ ...hyperparameters, init_std: 1 }, at(width, table.sp_fan_in), tensor(role)),
  );
  it.each([256, 512, 1024, 3200])("has std 1/√fan_in for every product at width %i, and μP's for hidden ones", (width) => {
    near(hidden(width).initStd, 1 / Math.sqrt(width));
    near(readout(width).initStd, 1 / Math.sqrt(width));
    near(hidden(width).initStd, resolve({ ...hyperparameters, init_std: 1 }, at(width), tensor("hidden")).initStd);
  });
  it("is sp but for that", () => {
    for (const role of Object.keys(table.sp) as Role[]) {
      const { initStd: own, ...rest } = resolve(hyperparameters, at(2048, table.sp_fan_in), tensor(role));
      const { initStd: kept, ...others } = resolve(hyperparameters, at(2048, table.sp), tensor(role));
      expect(rest).toEqual(others);
      if (role === "hidden" || role === "readout") near(own, kept / Math.sqrt(8));
      else expect(own).toBe(kept);
    }
  });
});
