/** The coordinate check must pass under μP and fail, by name, when any single rule of its table is broken. */
import { beforeAll, describe, expect, it } from "vitest";
import { engineHost } from "../../src/cache.ts";
import { engines } from "../../src/engines/registry.ts";
import type { Engine } from "../../src/engines/engine.ts";
import { coordCheck, type CheckPlan } from "../../src/evidence/coord-check.ts";
import { coordCheckSchema, type CoordCheck } from "../../src/evidence/records.ts";
import { takeReadings, type Subject } from "../../src/training/coordinates.ts";
import { judge } from "../../src/evidence/verdict.ts";
import { parameterCount, type ModelConfig } from "../../src/model/config.ts";
import type { Role } from "../../src/parametrization/roles.ts";
import { depthTable, table, type DepthExponents, type Exponents, type Rules } from "../../src/parametrization/table.ts";

const config: ModelConfig = {
  layers: 1,
  width: 16,
  headDim: 8,
  context: 32,
  mlpRatio: 2,
  vocabSize: 11,
  biases: true,
  zeroInit: ["readout", "query"],
};
/** A sequence with something to learn. */
const tokens = Int32Array.from({ length: config.context + 1 }, (_, index) => (index * (index + 1)) % config.vocabSize);
const batch = { count: 1, tokens: tokens.slice(0, -1), targets: tokens.slice(1) };
const subjectOf =
  (rules: Rules) =>
  (width: number): Subject => ({
    model: { ...config, width },
    scaling: { rules, width, baseWidth: 16, headDim: config.headDim, epsilon: 1e-8 },
  });
type Models = Omit<CheckPlan, "parameters">;
const planOf = (rules: Rules): Models => ({
  name: "check",
  axis: "width",
  sizes: [16, 32, 64, 128],
  parametrization: "mup",
  subject: subjectOf(rules),
  control: subjectOf(table.sp),
  hyperparameters: {
    learning_rate: 0.02,
    init_std: 1,
    embedding_std: 1,
    input_multiplier: 1,
    output_multiplier: 1,
    attention_multiplier: 1,
    weight_decay: 0,
  },
  epsilon: 1e-8,
  seeds: [1, 2, 3],
  steps: 5,
  beta1: 0.9,
  beta2: 0.95,
  batch,
  threads: 2,
});

let engine: Engine;
beforeAll(async () => {
  engine = await engines.native.open(engineHost()).catch(() => engines.onnxruntime.open(engineHost()));
});
const check = (plan: Models): Promise<CoordCheck> =>
  coordCheck(
    (subject, conditions, exercise) => takeReadings((program, options) => engine.compile(program, options), subject, conditions, exercise),
    { ...plan, parameters: (size) => parameterCount(plan.subject(size).model) },
    () => undefined,
  );

const broken = (role: Role, quantity: keyof Exponents, exponent: number): Rules => ({
  ...table.mup,
  [role]: { ...table.mup[role], [quantity]: exponent },
});
const roles = Object.keys(table.mup) as Role[];
/** How a quantity is called in a verdict. */
const names: { readonly [Q in keyof Exponents]: string } = {
  multiplier: "multiplier",
  initStd: "init_std",
  learningRate: "learning_rate",
  weightDecay: "weight_decay",
  epsilon: "epsilon",
};
/** Every rule that μP adds to SP, taken away. */
const removed = roles.flatMap((role) =>
  (Object.keys(table.mup[role]) as (keyof Exponents)[])
    .filter((quantity) => table.mup[role][quantity] !== 0)
    .map((quantity) => [role, quantity, 0] as const),
);
/** Rules that μP does not have, added: what a table written by hand may get wrong. */
const added = [
  ["embedding", "multiplier", -0.5],
  ["embedding", "initStd", -0.5],
  ["embedding", "learningRate", -1],
  ["embedding", "weightDecay", 1],
  ["readout", "learningRate", -1],
  ["readout", "weightDecay", 1],
  ["norm", "learningRate", -1],
  ["bias", "learningRate", -1],
] as const;

describe("the coordinate check", () => {
  it("is flat under μP, and its record is what scripts are promised", async () => {
    const plan = planOf(table.mup);
    const withoutBiases =
      (subject: CheckPlan["subject"]) =>
      (width: number): Subject => {
        const { model, scaling } = subject(width);
        return { model: { ...model, biases: false }, scaling };
      };
    const wide = { sizes: [64, 128, 256, 512], seeds: [1, 2, 3, 4, 5] };
    const result = await check({ ...plan, ...wide, subject: withoutBiases(plan.subject), control: withoutBiases(plan.control) });
    expect([result.verdict, result.reason]).toEqual(["PASS", expect.stringContaining("are flat")]);
    expect(coordCheckSchema.parse(JSON.parse(JSON.stringify(result)))).toEqual(result);
    expect(result.control.some(({ verdict }) => verdict === "FAIL")).toBe(true);
  });

  it("fails under SP", async () => {
    expect((await check(planOf(table.sp))).verdict).toBe("FAIL");
  });

  it.each([...removed, ...added])("fails when the rule of %s × %s has exponent %d, and names it", async (role, quantity, exponent) => {
    const { verdict, reason } = await check(planOf(broken(role, quantity, exponent)));
    expect([verdict, reason]).toEqual(["FAIL", expect.stringMatching(new RegExp(`look at ${role} × .*${names[quantity]}`))]);
  });

  describe("along the depth", () => {
    const depthPlan = (rules: DepthExponents): Models => ({
      ...planOf(table.mup),
      axis: "depth",
      sizes: [2, 4, 8, 16],
      subject: (layers) => {
        const { model, scaling } = subjectOf(table.completep)(16);
        return {
          model: { ...model, layers, scaledResiduals: true },
          scaling: { ...scaling, depth: { rules, layers, baseLayers: 2 } },
        };
      },
      control: (layers) => {
        const { model, scaling } = subjectOf(table.mup)(16);
        return { model: { ...model, layers }, scaling };
      },
    });
    const completep = depthTable.completep as DepthExponents;

    it("nothing is steep under CompleteP, and something is without it", async () => {
      const { coordinates, control } = await check({ ...depthPlan(completep), sizes: [4, 8, 16, 32] });
      expect(coordinates.filter(({ verdict }) => verdict === "FAIL")).toEqual([]);
      expect(control.filter(({ verdict }) => verdict === "FAIL").length).toBeGreaterThan(0);
    });

    it.each([
      ["residual", 0, "residual × multiplier"],
      ["learningRate", -1, "blocks × learning_rate"],
      ["epsilon", 0, "blocks × epsilon"],
    ] as const)("fails when the rule for %s has exponent %d, and names it", async (quantity, exponent, rule) => {
      const { verdict, reason } = await check(depthPlan({ ...completep, [quantity]: exponent }));
      expect([verdict, reason]).toEqual(["FAIL", expect.stringContaining(`look at ${rule}`)]);
    });
  });

  it("is inconclusive when nothing moves", async () => {
    const plan = planOf(table.mup);
    const result = await check({ ...plan, hyperparameters: { ...plan.hyperparameters, learning_rate: 1e-30 } });
    expect([result.verdict, result.reason]).toEqual(["INCONCLUSIVE", expect.stringContaining("did not move")]);
  });

  it("is inconclusive beside a control that is flat too", async () => {
    const { coordinates, control, parameters } = await check(planOf(table.mup));
    const flat = coordinates.filter(({ verdict }) => verdict === "PASS");
    const { verdict, reason } = judge("width", flat, flat, parameters);
    expect([verdict, reason]).toEqual(["INCONCLUSIVE", expect.stringContaining("control")]);
    expect(judge("width", flat, coordinates, [5, 5, 6, 7]).verdict).toBe("INCONCLUSIVE");
    // Models that blew up are steep as well, and no evidence against a rule.
    const [one, ...others] = control;
    const wild = [...others, { ...one, means: one.means.map(() => null), slope: null, verdict: "INCONCLUSIVE" as const }];
    expect(judge("width", control, control, parameters).verdict).toBe("FAIL");
    expect(judge("width", wild, control, parameters)).toEqual({
      verdict: "INCONCLUSIVE",
      reason: expect.stringContaining("not finite: try a lower --learning-rate") as string,
    });
  });
});
