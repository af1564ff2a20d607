/** W&B sweeps as specs: what is taken over means the same, what is not is named, and the result is a spec. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { UserError } from "../../src/errors.ts";
import { readPlan } from "../../src/spec/read.ts";
import type { Plan } from "../../src/spec/plan.ts";
import { specTemplate } from "../../src/spec/template.ts";
import { specFromSweep } from "../../src/spec/wandb.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();
const planOf = (text: string): Promise<Plan> => readPlan({ text, file: "x.yaml", directory: folder }, join(folder, "cache"));
const sweep = (parameters: string, rest = "method: random"): string => `program: train.py\n${rest}\nparameters: {${parameters}}\n`;
interface Written {
  readonly search: { readonly parameters: Record<string, unknown> } & Record<string, unknown>;
  readonly train: Record<string, unknown>;
  readonly model: Record<string, unknown>;
}
const written = (text: string): Written => parse(specFromSweep(text, "sweep.yaml")) as Written;

describe("a distribution of W&B", () => {
  it.each<[string, string, readonly [number, number]]>([
    ["log_uniform, whose bounds are exponents", "{distribution: log_uniform, min: -9.2, max: -2.3}", [1.01e-4, 0.1003]],
    ["log_uniform_values", "{distribution: log_uniform_values, min: 0.001, max: 0.1}", [0.001, 0.1]],
    ["inv_log_uniform", "{distribution: inv_log_uniform, min: 2.3, max: 9.2}", [1.01e-4, 0.1003]],
    ["inv_log_uniform_values", "{distribution: inv_log_uniform_values, min: 0.001, max: 0.1}", [0.001, 0.1]],
  ])("%s is log_uniform over the same values", (_, domain, [min, max]) =>
    expect(written(sweep(`lr: ${domain}`)).search.parameters).toEqual({ learning_rate: { distribution: "log_uniform", min, max } }),
  );
  it.each<[string, string, unknown]>([
    ["q_uniform", "{distribution: q_uniform, min: 1, max: 8, q: 2}", { distribution: "uniform", min: 1, max: 8 }],
    ["none between whole bounds", "{min: 1, max: 8}", { distribution: "int_uniform", min: 1, max: 8 }],
    ["none between others", "{min: 0.5, max: 8}", { distribution: "uniform", min: 0.5, max: 8 }],
    ["a list", "{values: [1, 4, 4]}", { values: [1, 4] }],
    ["a constant", "{value: 4}", { value: 4 }],
  ])("%s is what it draws from", (_, domain, expected) =>
    expect(written(sweep(`output_mult: ${domain}`)).search.parameters).toEqual({ output_multiplier: expected }),
  );
});

it("takes the search over, and values that belong elsewhere in a spec", async () => {
  const text = sweep(
    "lr: {min: 0.001, max: 0.1}, optim: {parameters: {beta2: {value: 0.99}}}, n_layer: {value: 4}, max_iters: {value: 800}",
    "method: bayes\nrun_cap: 40\nearly_terminate: {type: hyperband}",
  );
  const { search, train, model } = written(text);
  expect([search["method"], search["trials"], search["early_stopping"]]).toEqual(["gp", 40, {}]);
  expect([train["steps"], train["optimizer"], model["layers"]]).toEqual([800, expect.objectContaining({ beta2: 0.99 }), 4]);
  const { spec } = await planOf(specFromSweep(text, "sweep.yaml"));
  expect(spec.search.early_stopping).not.toBeNull();
});

it("makes a grid of lists, without a count", async () => {
  const { spec } = await planOf(specFromSweep(sweep("lr: {values: [0.01, 0.1]}, init_scale: {value: 1}", "method: grid\nrun_cap: 9"), "s"));
  expect([spec.search.method, spec.search.trials]).toEqual(["grid", 2]);
});

it("names what it does not take over, and why", () => {
  const text = specFromSweep(
    sweep("batch_size: {values: [8, 16]}, dropout: {max: 0.5, min: 0.1}, lr: {distribution: normal, mu: 1, sigma: 1}, arch: {values: [a]}"),
    "sweep.yaml",
  );
  const [, lost = ""] = /# Not taken over:\n((?:# {3}.*\n)+)/.exec(text) ?? [];
  expect(lost.split("\n").filter(Boolean)).toEqual([
    expect.stringMatching(/batch_size: the best batch depends/),
    expect.stringMatching(/dropout: the best dropout depends/),
    expect.stringMatching(/lr: there are no normal distributions/),
    expect.stringMatching(/arch: its values are no numbers/),
    expect.stringMatching(/program: nothing is called/),
  ]);
  expect((parse(text) as Written).search.parameters).toEqual({});
});

it.each([
  ["Python", "n_layer = 12\nbatch_size = 8\n", "not_a_sweep"],
  ["a Hydra config", "defaults: [a]\nmodel: {lr: 1}\n", "not_a_sweep"],
  ["a spec", specTemplate, "not_a_sweep"],
  ["nothing", "", "not_a_sweep"],
])("refuses %s", (_, text, code) => {
  const refused = (): string => {
    try {
      return specFromSweep(text, "x");
    } catch (error) {
      return (error as UserError).code;
    }
  };
  expect(refused()).toBe(code);
});

it("cannot be led by names to write anything but comments", async () => {
  const evil = "a\\nname: evil\\n#";
  const text = specFromSweep(
    `method: random\nname: "${evil}"\nparameters: {"${evil}": {value: 1}, lr: {min: 0.01, max: 0.1}}\n`,
    "x\ny: 1",
  );
  expect((await planOf(text)).spec.name).not.toBe("evil");
  expect(Object.keys(parse(text) as object)).toEqual(Object.keys(parse(specTemplate) as object));
});

describe("the template", () => {
  it.each(["sobol", "tpe", "gp"])("is valid with method %s", async (method) =>
    expect((await planOf(specTemplate.replace("method: random", `method: ${method}`))).spec.search.method).toBe(method),
  );
  it.each(["{}", "{method: asha}"])("has early stopping to be uncommented: %s", async (value) => {
    const line = `# early_stopping: ${value} `;
    expect(specTemplate).toContain(line);
    expect((await planOf(specTemplate.replace(line, line.slice(2)))).spec.search.early_stopping).not.toBeNull();
  });
  it("confirms, as a spec does that does not say", async () => {
    const without = specTemplate.replace(/^ {2}confirm: .*\n/m, "");
    expect(without).not.toBe(specTemplate);
    expect((await planOf(without)).specHash).toBe((await planOf(specTemplate)).specHash);
  });
});
