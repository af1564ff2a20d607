/** The coordinate check must pass under μP and fail, by name, when any single rule of its table is broken. */
import { beforeAll, describe, expect, it } from "vitest";
import { engineHost } from "../../src/cache.ts";
import { engines } from "../../src/engines/registry.ts";
import type { Engine } from "../../src/engines/engine.ts";
import { coordCheck, type CheckPlan, type Read } from "../../src/evidence/coord-check.ts";
import { coordCheckSchema, type CoordCheck } from "../../src/evidence/records.ts";
import { controlsOf } from "../../src/studies/controls.ts";
import { takeReadings, tensorRoles, type Subject } from "../../src/training/coordinates.ts";
import { judge } from "../../src/evidence/verdict.ts";
import type { ModelConfig } from "../../src/model/config.ts";
import { parameterCount } from "../../src/model/counts.ts";
import type { Role } from "../../src/parametrization/roles.ts";
import { depthTable, rulesOf, table, type DepthExponents, type Exponents, type Rules } from "../../src/parametrization/table.ts";
import { brokenRules } from "../support/broken-rules.ts";
import { itInCi } from "../support/long.ts";

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
type Models = Omit<CheckPlan, "parameters" | "roles">;
const planOf = (rules: Rules): Models => ({
  name: "check",
  axis: "width",
  sizes: [16, 32, 64, 128],
  parametrization: "mup",
  subject: subjectOf(rules),
  controls: controlsOf("width", { rules: table.mup }),
  substitutes: [],
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
  rounds: [[1, 2, 3]],
  steps: 5,
  optimizer: { beta1: 0.9, beta2: 0.95 },
  movesOnly: [],
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
    {
      ...plan,
      parameters: (size) => parameterCount(plan.subject(size).model),
      roles: tensorRoles(plan.subject(plan.sizes[0]).model),
    },
    { size: () => undefined, doubt: () => undefined },
  );

const broken = (role: Role, quantity: keyof Exponents, exponent: number): Rules => ({
  ...table.mup,
  [role]: { ...table.mup[role], [quantity]: exponent },
});
/** How a quantity is called in a verdict. */
const names: { readonly [Q in keyof Exponents]: string } = {
  multiplier: "multiplier",
  initStd: "init_std",
  learningRate: "learning_rate",
  weightDecay: "weight_decay",
  epsilon: "epsilon",
};
describe("the coordinate check", () => {
  it("is flat under μP, and its record is what scripts are promised", async () => {
    const result = await check({ ...planOf(table.mup), sizes: [32, 64, 128, 256], rounds: [[1, 2, 3, 4, 5]], steps: 10 });
    expect([result.verdict, result.reason]).toEqual(["PASS", expect.stringContaining("are flat")]);
    expect(coordCheckSchema.parse(JSON.parse(JSON.stringify(result)))).toEqual(result);
  });

  it("has a control for every quantity of the rules, and sees each of them broken", async () => {
    const { control } = await check(planOf(table.mup));
    const seen = control.filter(({ verdict }) => verdict === "FAIL").map(({ without }) => without);
    expect([...new Set(seen)].sort()).toEqual(Object.values(names).sort());
  });

  it("fails under SP", async () => {
    expect((await check(planOf(table.sp))).verdict).toBe("FAIL");
  });

  it.each(brokenRules)("fails when the rule of %s × %s has exponent %d, and names it", async (role, quantity, exponent) => {
    const plan = planOf(broken(role, quantity, exponent));
    // Narrow models' gradients are far from one size each, which an ε that dominates shows; and biases move what hidden weights fail to move.
    const sizes = quantity === "epsilon" ? [32, 64, 128, 256] : plan.sizes;
    const subject = (width: number): Subject => {
      const { model, scaling } = plan.subject(width);
      return { model: { ...model, biases: role === "bias" || quantity !== "epsilon" }, scaling };
    };
    const { verdict, reason } = await check({ ...plan, subject, sizes, controls: [] });
    expect([verdict, reason]).toEqual(["FAIL", expect.stringMatching(new RegExp(`look at ${role} × .*${names[quantity]}`))]);
  });

  describe("of a llama-like model under Muon", () => {
    const modern: Partial<ModelConfig> = {
      ...{ norm: "rms_norm", ropeTheta: 100, mlp: "swiglu", queriesPerKv: 2, qkNorm: true, tiedEmbeddings: true, biases: false },
      zeroInit: [],
    };
    const rules = rulesOf("mup", { qkNorm: true, muon: true });
    const modernPlan = (wrong: Partial<Rules> = {}, controls = controlsOf("width", { rules, muon: true })): Models => {
      const plan = planOf(table.mup);
      return {
        ...plan,
        controls,
        optimizer: { ...plan.optimizer, muonMomentum: 0.95 },
        movesOnly: ["logits"],
        hyperparameters: { ...plan.hyperparameters, muon_learning_rate: 0.1 },
        subject: (width) => {
          const { model, scaling } = plan.subject(width);
          return { model: { ...model, ...modern }, scaling: { ...scaling, rules: { ...rules, ...wrong }, muon: true } };
        },
      };
    };

    it("is flat, and sees every rule broken", async () => {
      const result = await check({ ...modernPlan(), sizes: [32, 64, 128, 256], rounds: [[1, 2, 3, 4, 5]], steps: 10 });
      expect([result.verdict, result.reason]).toEqual(["PASS", expect.stringContaining("are flat")]);
    });

    itInCi.each([
      ["hidden", "learningRate", -1],
      ["hidden", "weightDecay", 1],
      ["hidden", "initStd", 0],
      ["embedding", "learningRate", -1],
      ["embedding", "epsilon", 0],
      ["norm", "learningRate", -1],
      ["head_norm", "learningRate", -1],
      ["head_norm", "epsilon", -1],
    ] as const)("fails when the rule of %s × %s has exponent %d, and names it", async (role, quantity, exponent) => {
      const wrong = { [role]: { ...(rules[role] as Exponents), [quantity]: exponent } };
      const long = { sizes: [32, 64, 128, 256], rounds: [[1, 2, 3, 4, 5]], steps: 10 };
      const { verdict, reason } = await check({ ...modernPlan(wrong, []), ...(quantity === "epsilon" && long) });
      expect([verdict, reason]).toEqual(["FAIL", expect.stringMatching(new RegExp(`look at ${role} × .*${names[quantity]}`))]);
    });
  });

  describe("along the depth", () => {
    const completep = depthTable.completep as DepthExponents;
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
      controls: controlsOf("depth", { rules: table.mup, depth: { rules: completep, layers: 2, baseLayers: 2 } }),
    });

    it("is flat under CompleteP, and sees every rule for depth broken", async () => {
      const { verdict, reason } = await check({
        ...depthPlan(completep),
        sizes: [4, 8, 16, 32],
        rounds: [
          [1, 2, 3, 4, 5],
          [6, 7, 8, 9, 10],
        ],
      });
      expect([verdict, reason]).toEqual(["PASS", expect.stringContaining("are flat")]);
    });

    it.each([
      ["residual", 0, "residual × multiplier"],
      ["learningRate", -1, "blocks × learning_rate"],
      ["epsilon", 0, "blocks × epsilon"],
    ] as const)("fails when the rule for %s has exponent %d, and names it", async (quantity, exponent, rule) => {
      const { verdict, reason } = await check({ ...depthPlan({ ...completep, [quantity]: exponent }), controls: [] });
      expect([verdict, reason]).toEqual(["FAIL", expect.stringContaining(`look at ${rule}`)]);
    });
  });

  it("is inconclusive when nothing moves", async () => {
    const plan = planOf(table.mup);
    const result = await check({ ...plan, hyperparameters: { ...plan.hyperparameters, learning_rate: 1e-30 } });
    expect([result.verdict, result.reason]).toEqual(["INCONCLUSIVE", expect.stringContaining("did not move")]);
  });

  it("is inconclusive beside a control that is flat too, and names what it could not see", async () => {
    const { coordinates, control, parameters } = await check(planOf(table.mup));
    const flat = coordinates.filter(({ verdict }) => verdict === "PASS");
    const judged = { axis: "width", parameters, control, quantities: Object.values(names), substitutes: [], roles: new Map() } as const;
    expect(judge({ ...judged, coordinates: flat }).verdict).toBe("PASS");
    for (const quantity of Object.values(names)) {
      const seen = control.filter(({ without, verdict }) => without !== quantity || verdict !== "FAIL");
      expect(judge({ ...judged, coordinates: flat, control: seen })).toEqual({
        verdict: "INCONCLUSIVE",
        reason: expect.stringContaining(`flat without the rules for ${quantity},`) as string,
      });
    }
    expect(judge({ ...judged, coordinates: flat, quantities: [] }).verdict).toBe("INCONCLUSIVE");
    expect(judge({ ...judged, coordinates: flat, parameters: [5, 5, 6, 7] }).verdict).toBe("INCONCLUSIVE");
    // Models that blew up are steep as well, and no evidence against a rule.
    const [one, ...others] = control;
    const wild = [...others, { ...one, means: one.means.map(() => null), slope: null, verdict: "INCONCLUSIVE" as const }];
    expect(judge({ ...judged, coordinates: control }).verdict).toBe("FAIL");
    expect(judge({ ...judged, coordinates: wild })).toEqual({
      verdict: "INCONCLUSIVE",
      reason: expect.stringContaining("not finite: try a lower --learning-rate") as string,
    });
    // A launch has no options for its check.
    const launched = { ...judged, withoutAdvice: true } as const;
    const doubtful = coordinates.map((each) => ({ ...each, verdict: "WARN" as const }));
    const [unclear] = coordinates.map((each) => ({ ...each, verdict: "INCONCLUSIVE" as const }));
    const all = [control, wild, doubtful, [...flat, unclear]].map((each) => judge({ ...launched, coordinates: each }));
    const reasons = [...all, judge({ ...launched, coordinates: flat, control: [] })].map(({ verdict, reason }) => [verdict, reason]);
    expect(reasons.map(([verdict]) => verdict)).toEqual(["FAIL", "INCONCLUSIVE", "WARN", "INCONCLUSIVE", "INCONCLUSIVE"]);
    for (const [, reason] of reasons) expect(reason).not.toMatch(/--|: try/);
    // Where the spec's own value cannot be judged, flatness elsewhere is no PASS, and the value is named.
    const substitutes = [{ hyperparameter: "attention_multiplier", stated: 1e6, judged_at: 64 }];
    expect(judge({ ...judged, coordinates: flat, substitutes })).toEqual({
      verdict: "WARN",
      reason: expect.stringContaining("attention_multiplier 1000000 is outside the range") as string,
    });
  });

  describe("with coordinates in doubt", () => {
    /** Readings by formula: in the regime of ε, seeds up to 3 are spread, and later ones are not. */
    const invented =
      (asked: string[], flatLater: boolean): Read =>
      ({ scaling: { width } }, conditions, { seeds }) => {
        asked.push(`${conditions.map(({ regime, control }) => control?.without ?? regime).join(" ")}: ${seeds.join(" ")}`);
        return Promise.resolve(
          conditions.map(({ regime, control }) => {
            const exponent = (seed: number): number => {
              if (control !== undefined) return 1;
              return regime === "epsilon" && (seed <= 3 || !flatLater) ? 0.8 * (seed % 2) : 0;
            };
            const values = seeds.map((seed) => (width / 45) ** exponent(seed));
            return { regime, ...(control && { without: control.without }), tensor: "embedded", step: 1, size: values, update: values };
          }),
        );
      };
    const plan = {
      ...planOf(table.mup),
      rounds: [
        [1, 2, 3],
        [4, 5, 6],
        [7, 8, 9],
      ],
      parameters: (size: number) => size,
      roles: new Map(),
    };
    const silent = { size: () => undefined, doubt: () => undefined };

    it("gives their regimes more seeds until it knows, and says so", async () => {
      const asked: string[] = [];
      const doubts: string[] = [];
      const result = await coordCheck(invented(asked, true), plan, { ...silent, doubt: (text) => doubts.push(text) });
      expect([result.verdict, result.seeds]).toEqual(["PASS", 6]);
      expect([...new Set(asked.slice(plan.sizes.length))]).toEqual(["epsilon: 4 5 6"]);
      expect(doubts).toEqual(["2 of 6 coordinates are in doubt: 3 more seeds of each size"]);
    });

    it("warns when the seeds have ended", async () => {
      const { verdict, seeds } = await coordCheck(invented([], false), plan, silent);
      expect([verdict, seeds]).toEqual(["WARN", 9]);
    });
  });
});
