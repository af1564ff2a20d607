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
    ["log_uniform, whose bounds are exponents", "{distribution: log_uniform, min: -9.2, max: -2.3}", [1.01039e-4, 0.100259]],
    ["log_uniform_values", "{distribution: log_uniform_values, min: 0.001, max: 0.1}", [0.001, 0.1]],
    ["inv_log_uniform", "{distribution: inv_log_uniform, min: 2.3, max: 9.2}", [1.01039e-4, 0.100259]],
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
    expect.stringMatching(/lr: there is no normal distribution here/),
    expect.stringMatching(/arch: its values are no numbers/),
    expect.stringMatching(/program: nothing is called/),
  ]);
  expect((parse(text) as Written).search.parameters).toEqual((parse(specTemplate) as Written).search.parameters);
});

/** What is not taken over, each with its reason. */
const lostOf = (text: string): string => /# Not taken over:\n((?:# {3}.*\n)+)/.exec(specFromSweep(text, "s"))?.[1] ?? "";

it.each<[string, string, object]>([
  ["bounds to their last digit", "output_mult: {distribution: int_uniform, min: 1, max: 123456}", { min: 1, max: 123456 }],
  ["ranges that are narrow", "output_mult: {distribution: uniform, min: 10001, max: 10002}", { min: 10001, max: 10002 }],
  ["bounds that are written as whole numbers", "output_mult: {min: 1, max: 64}", { distribution: "int_uniform" }],
  ["and those that are not", "output_mult: {min: 1.0, max: 64.0}", { distribution: "uniform" }],
])("keeps %s", (_, parameters, expected) =>
  expect(written(sweep(parameters)).search.parameters["output_multiplier"]).toMatchObject(expected),
);

it.each<[string, string, RegExp]>([
  [
    "a second claim on one place",
    "lr: {value: 0.1}, learning_rate: {value: 0.2}",
    /learning_rate: search.parameters.learning_rate is lr already/,
  ],
  ["names of other parts", "generator: {parameters: {lr: {value: 0.1}}}", /generator.lr: it may be another than/],
  [
    "what merely ends like a key",
    "scheduler: {parameters: {warmup: {parameters: {steps: {value: 100}}}}}",
    /scheduler.warmup.steps: it may be/,
  ],
  ["stds in other units", "init_std: {values: [0.01, 0.02]}", /init_std: here it is in units/],
  ["swapped bounds", "lr: {min: 0.1, max: 0.01}", /lr: its min 0.1 is above its max 0.01/],
  [
    "a distribution by the name of something else",
    "lr: {distribution: constructor, min: 1, max: 2}",
    /W&B has no distribution constructor/,
  ],
  ["a distribution that is no word", "lr: {distribution: &d [*d], min: 1, max: 2}", /lr: its distribution is no word/],
  ["parameters within themselves", "a: &a {parameters: {b: *a}}, lr: {value: 0.1}", /a.b: it says neither value/],
  [
    "values that a spec refuses",
    "eps: {value: 0}, batch_size: {value: 1.5}, max_steps: {value: -1}",
    /max_steps: .*\n.*batch_size: .*\n.*eps: /,
  ],
  ["a list where there is one value", "n_layer: {values: [2, 4]}", /n_layer: model.layers is one value here/],
])("does not take over %s", async (_, parameters, reason) => {
  const text = sweep(`${parameters}, output_mult: {min: 1.5, max: 64}`);
  expect(lostOf(text)).toMatch(reason);
  await planOf(specFromSweep(text, "s"));
});

it.each<[string, string, RegExp | undefined]>([
  ["early_terminate of another kind", "method: random\nearly_terminate: {type: envelope}", /early_terminate: there is no envelope here/],
  ["a method of another kind", "method: evolutionary", /method evolutionary: there is no such search here/],
  ["unknown keys", "method: random\nqueue: x\ncontroller: {type: local}", /queue: it has.*\n.*controller: it has/],
  ["a cap that is no count", "method: random\nrun_cap: 2.5", /run_cap: /],
  ["a grid of a range", "method: grid", /output_mult: a grid cannot list/],
  ["names that none may have", "method: random\nname: _test", /name: it is test here/],
  ["a name that is no word", "method: random\nname: [1]", /name: it is my-sweep here/],
  ["a method that is no word", "method: [random]", /method: there is no such search here/],
  ["early_terminate that is no mapping", "method: random\nearly_terminate: hyperband", /early_terminate: it is no mapping/],
])("makes a spec in spite of %s", async (_, rest, reason) => {
  const text = sweep("output_mult: {min: 1.5, max: 64}, lr: {values: [0.1, 0.2]}", rest);
  if (reason !== undefined) expect(lostOf(text)).toMatch(reason);
  await planOf(specFromSweep(text, "s"));
});

it.each<[string, string, string, object]>([
  ["random, with its cap", "foo: {value: 1}", "method: random\nrun_cap: 40", { method: "random", trials: 40 }],
  ["random, without one", "lr: {min: 2, max: 1}", "method: random", { method: "random", trials: 16 }],
  ["random, whose only list does not transfer", "weight_decay: {values: [0.1, 0.2]}", "method: random", { method: "random", trials: 16 }],
  ["a grid, whose lists are gone", "foo: {values: [1, 2]}", "method: grid", { method: "random", trials: 16 }],
])("searches the template's parameters where none is taken over: %s", async (_, parameters, rest, search) => {
  const text = specFromSweep(sweep(parameters, rest), "s");
  expect(text).not.toMatch(/the space holds no more/);
  expect((await planOf(text)).spec.search).toMatchObject(search);
});

it("names what a domain has beside its values, and how far exponents are rounded", () => {
  const text = specFromSweep(
    sweep(
      "lr: {min: 0.001, max: 0.1, mu: 3}, output_mult: {value: 2, values: [1, 2]}, input_mult: {distribution: log_uniform, min: 1, max: 2}",
    ),
    "s",
  );
  for (const told of [/lr: without its mu/, /output_mult: without its values/, /input_mult: .*, to 6 digits/]) expect(text).toMatch(told);
});

it("has no more trials than there are sets, and says what hyperband and lists become", async () => {
  const text = sweep(
    "lr: {values: [1, 2, 3], probabilities: [0.5, 0.25, 0.25]}",
    "method: random\nearly_terminate: {type: hyperband, min_iter: 3}",
  );
  const spec = specFromSweep(text, "s");
  expect(spec).toMatch(/search.trials is 3: the space holds no more/);
  expect(spec).toMatch(/equally often/);
  expect(spec).toMatch(/whatever its min_iter/);
  expect((await planOf(spec)).spec.search.trials).toBe(3);
});

it("takes over what is called the same here", () => {
  const { seed, model } = written(sweep("seed: {value: 7}, mlp_ratio: {value: 2}, bias: {value: true}")) as unknown as Record<
    string,
    unknown
  >;
  expect([seed, model]).toEqual([7, expect.objectContaining({ mlp_ratio: 2, biases: true })]);
});

it.each<readonly [string, string, Readonly<Record<string, unknown>>]>([
  [
    "an optimizer, with what only it has",
    "optimizer: {value: muon}, muon_momentum: {value: 0.9}, muon_lr: {values: [0.01, 0.1]}",
    { optimizer: expect.objectContaining({ name: "muon", momentum: 0.9 }) as unknown },
  ],
  ["an optimizer by another word", "optimizer: {value: adamw_torch}", { optimizer: expect.objectContaining({ name: "adamw" }) as unknown }],
  [
    "no optimizer that there is not, nor what only it has",
    "optimizer: {value: lion}, muon_momentum: {value: 0.9}",
    { optimizer: expect.not.objectContaining({ momentum: expect.anything() as unknown }) as unknown },
  ],
  ["clipping and a z-loss", "max_grad_norm: {value: 1}, z_loss: {value: 0.0001}", { clip: 1, z_loss: 0.0001 }],
])("takes over %s, and leaves a spec", async (_, parameters, train) => {
  const text = sweep(`lr: {min: 0.001, max: 0.1}, ${parameters}`);
  expect(written(text).train).toMatchObject(train);
  await planOf(specFromSweep(text, "s"));
});

it("takes over what blocks are made of, by others' words as well", async () => {
  const text = sweep(
    "lr: {min: 0.001, max: 0.1}, norm: {value: rmsnorm}, positions: {value: rotary}, rope_theta: {value: 50000}, mlp: {value: swiglu}, qk_norm: {value: true}, queries_per_kv: {value: 2}",
  );
  expect(written(text).model).toMatchObject({
    norm: "rms_norm",
    positions: "rope",
    rope_theta: 50000,
    mlp: "swiglu",
    qk_norm: true,
    queries_per_kv: 2,
  });
  await planOf(specFromSweep(text, "s"));
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
