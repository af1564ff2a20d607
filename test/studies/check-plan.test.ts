/** What a coordinate check compares: sizes and values at which it can judge, and what it says of those it replaces. */
import { join } from "node:path";
import { expect, it } from "vitest";
import { readPlan } from "../../src/spec/read.ts";
import { planCheck } from "../../src/studies/check-plan.ts";
import { controlsOf } from "../../src/studies/controls.ts";
import { table } from "../../src/parametrization/table.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();
const planOf = (width: number, more = "", model = "layers: 2, head_dim: 16, context: 32") =>
  readPlan(
    {
      text: `name: x
data: {source: moby-dick}
model: {${model}}
width: {proxy: ${width}, target: ${2 * width}}
${more}`,
      file: "x.yaml",
      directory: folder,
    },
    join(folder, "cache"),
  );
const usual = { axis: "width", seeds: 5, steps: 10 } as const;

it.each([
  ["what searched embeddings are tried around", "", 0.1768, []],
  ["the nearest that can be judged", "search: {trials: 1, parameters: {embedding_std: {value: 1}}}\n", 0.7071, [0.7071]],
])("models whose readout is the embedding are judged at %s", async (_, search, std, nearest) => {
  const { checkPlan } = planCheck(await planOf(32, search, "head_dim: 16, context: 32, tied_embeddings: true"), usual);
  expect(checkPlan.hyperparameters).toMatchObject({ embedding_std: std, input_multiplier: 5.657 });
  expect(checkPlan.substitutes.map(({ judged_at: at }) => at)).toEqual(nearest);
});

it.each([32, 48, 256])("widths are those that can be judged, whatever the base: %d", async (base) => {
  const { checkPlan, notes } = planCheck(await planOf(base), usual);
  expect([checkPlan.sizes, notes]).toEqual([[64, 128, 256, 512], []]);
});

it("the smallest width is at most twice the base width that is judged, which is said where it is not the spec's", async () => {
  const judgedAt = async (base: number, sizes?: readonly number[]) => {
    const { checkPlan, notes } = planCheck(await planOf(base), { ...usual, ...(sizes && { sizes }) });
    const baseWidths = checkPlan.sizes.map((size) => checkPlan.subject(size).scaling.baseWidth);
    return [[...new Set(baseWidths)], checkPlan.hyperparameters.learning_rate, notes];
  };
  const instead = (width: number): unknown => [expect.stringContaining(`the base width is ${width} instead`)];
  expect(await judgedAt(16)).toEqual([[32], 0.02, instead(32)]);
  expect(await judgedAt(32)).toEqual([[32], 0.02, []]);
  expect(await judgedAt(256)).toEqual([[256], 0.005, []]);
  // The cap of the learning rate follows.
  expect(await judgedAt(32, [256, 512, 1024, 2048])).toEqual([[128], 0.01, instead(128)]);
});

it("sizes that are too small are replaced, and named", async () => {
  const plan = await planOf(16, "parametrization: completep");
  const widths = planCheck(plan, { ...usual, sizes: [16, 32, 64, 128] });
  expect([widths.checkPlan.sizes, widths.notes]).toEqual([[32, 64, 128, 256], [expect.stringContaining("width 16 is too small")]]);
  const depths = planCheck(plan, { ...usual, axis: "depth", sizes: [2, 4, 8, 16] });
  expect([depths.checkPlan.sizes, depths.notes]).toEqual([[4, 8, 16, 32], [expect.stringContaining("depth 2 is too small")]]);
});

it("deep models are judged with few blocks at the base, which is said", async () => {
  const deep = await planOf(32, "parametrization: completep", "layers: 8, head_dim: 16, context: 32");
  for (const axis of ["width", "depth"] as const) {
    const { checkPlan, notes } = planCheck(deep, { ...usual, axis });
    expect(notes).toEqual([expect.stringContaining("8 blocks at the base cannot be judged")]);
    expect(checkPlan.subject(checkPlan.sizes[0]).scaling.depth?.baseLayers).toBe(2);
  }
});

it("a multiplier far outside its range is judged at the nearest value, and named", async () => {
  const values = "search: {trials: 1, parameters: {output_multiplier: {value: 4096}, attention_multiplier: {value: 8}}}";
  const { checkPlan, notes } = planCheck(await planOf(32, values), usual);
  expect(checkPlan.substitutes).toEqual([{ hyperparameter: "output_multiplier", stated: 4096, judged_at: 256 }]);
  expect(checkPlan.hyperparameters).toMatchObject({ output_multiplier: 256, attention_multiplier: 8 });
  expect(notes).toEqual([expect.stringContaining("output_multiplier 4096 is outside the range")]);
});

it("the learning rate leaves something of how weights began, unless it is given", async () => {
  const rate = async (base: number, learningRate?: number) =>
    planCheck(await planOf(base), { ...usual, ...(learningRate !== undefined && { learningRate }) }).checkPlan.hyperparameters
      .learning_rate;
  expect(await rate(32)).toBe(0.02);
  expect(await rate(256)).toBe(0.005);
  expect(await rate(256, 0.1)).toBe(0.1);
});

it("each control breaks one quantity of the rules and nothing else", () => {
  const scaling = { rules: table.mup, width: 64, baseWidth: 32, headDim: 16, epsilon: 1e-8 };
  for (const { without, broken } of controlsOf("width", scaling)) {
    const changed = Object.entries(broken(scaling).rules).flatMap(([role, exponents]) =>
      Object.entries(exponents).flatMap(([quantity, exponent]) =>
        exponent === table.mup[role as "hidden"][quantity as "epsilon"]
          ? []
          : [quantity.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)],
      ),
    );
    expect([...new Set(changed)]).toEqual([without]);
  }
  expect(controlsOf("width", { ...scaling, rules: table.sp })).toEqual([]);
  expect(controlsOf("depth", scaling)).toEqual([]);
});
