/** Files and words of other tools: each is told what it is here, or why there is nothing. */
import { join } from "node:path";
import { expect, it } from "vitest";
import { UserError, type Diagnostic } from "../../src/errors.ts";
import { readPlan } from "../../src/spec/read.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();
const base = "name: s\ndata: {source: moby-dick}\nwidth: {proxy: 32, target: 128}\n";
const parameters = (text: string): string => `${base}search: {parameters: {${text}}}\n`;
async function problems(text: string): Promise<readonly Diagnostic[]> {
  try {
    await readPlan({ text, file: "x.yaml", directory: folder }, join(folder, "cache"));
    return [];
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return error.diagnostics;
  }
}
const laughs = Array.from("bcdefghi").map(
  (name, index) => `${name}: &${name} {<<: [${Array(9).fill(`*${"abcdefgh"[index]}`).join(", ")}]}\n`,
);

it.each<[string, string, [code: string, place: string, words: string][]]>([
  ["nanoGPT's depth", `${base}n_layer: 12\n`, [["unknown_key", "4:1", "model.layers?"]]],
  ["nanoGPT's steps", `${base}max_iters: 12\n`, [["unknown_key", "4:1", "train.steps?"]]],
  ["Megatron's depth", `${base}num-layers: 12\n`, [["unknown_key", "4:1", "model.layers?"]]],
  ["heads, where they belong", `${base}model: {n_head: 4}\n`, [["unknown_key", "4:9", "did you mean head_dim?"]]],
  ["what there is not", `${base}label_smoothing: 0.1\n`, [["unknown_key", "4:1", "there is none here"]]],
  [
    "Hydra's lr",
    `${base}optim: {lr: 0.1}\n`,
    [
      ["unknown_key", "4:1", "train.optimizer?"],
      ["unknown_key", "4:9", "search.parameters.learning_rate?"],
    ],
  ],
  ["lr", parameters("lr: {value: 1}"), [["unknown_key", "4:23", "did you mean learning_rate?"]]],
  ["steps to be tuned", parameters("max_iters: {values: [1, 2]}"), [["not_transferable", "4:23", "set train.steps"]]],
  ["bayes", `${base}search: {method: bayes}\n`, [["wrong_value", "4:18", "did you mean gp?"]]],
  [
    "W&B's distribution",
    parameters("init_std: {distribution: log_uniform_values, min: 1, max: 2}"),
    [["wrong_value", "4:48", "did you mean log_uniform?"]],
  ],
  [
    "Optuna's range",
    parameters("init_std: {low: 1, high: 2, log: true}"),
    [
      ["unknown_key", "4:34", "did you mean min?"],
      ["unknown_key", "4:42", "did you mean max?"],
      ["unknown_key", "4:51", "did you mean distribution: log_uniform?"],
    ],
  ],
  [
    "natural exponents",
    parameters("learning_rate: {distribution: log_uniform, min: -9.2, max: -2.3}"),
    [["log_bound_not_positive", "4:71", "e^-9.2 = 1.01e-4"]],
  ],
  [
    "exponents that may be of ten",
    parameters("learning_rate: {distribution: log_uniform, min: -5, max: -1}"),
    [["log_bound_not_positive", "4:71", "10^-5 = 1e-5"]],
  ],
  ["listed exponents", parameters("learning_rate: {values: [-4, -3]}"), [["out_of_range", "4:47", "10^-4 = 1e-4"]]],
  [
    "a bound of 0",
    parameters("init_std: {distribution: log_uniform, min: 0, max: 3}"),
    [["log_bound_not_positive", "4:66", "use uniform"]],
  ],
  ["bounds that may be meant", parameters("learning_rate: {distribution: log_uniform, min: 1, max: 5}"), []],
  ["nonsense", parameters("learning_rate: {value: 1e308}"), [["out_of_range", "4:46", ""]]],
  ["a merge", parameters("learning_rate: &a {distribution: log_uniform, min: 0.1, max: 1}, init_std: {<<: *a, max: 2}"), []],
  [
    "what a merge brings",
    parameters("learning_rate: &a {distribution: log_uniform, min: 0.1, max: 1}, init_std: {<<: *a, max: 0.01}"),
    [["empty_range", "4:112", "swapped"]],
  ],
  ["a merge into itself", `a: &a {<<: *a}\n${base}`, [["too_many_aliases", "1:8", "write the values out"]]],
  ["merges without end", `a: &a {x: 1}\n${laughs.join("")}${base}`, [["too_many_aliases", "5:8", "write the values out"]]],
  ["several documents", `${base}---\nb: 1\n`, [["several_documents", "4:1", "one document"]]],
  ["placeholders, once", `${base}train: {steps: "\${a}", batch: "\${b}"}\n`, [["placeholder", "4:16", "write the values"]]],
  ["Python", "n_layer = 12\nblock_size = 256\n", [["not_yaml", "-", "n_layer is model.layers, block_size is model.context"]]],
  [
    "TOML",
    "[model]\nn_layer = 12\n",
    [
      ["yaml_syntax", "2:1", ""],
      ["not_yaml", "-", "mutransfer init"],
    ],
  ],
  [
    "HTML",
    "<!DOCTYPE html>\n<p>a: b</p>\n",
    [
      ["yaml_syntax", "1:1", ""],
      ["not_yaml", "-", "mutransfer init"],
    ],
  ],
  ["a binary file", "\x7fELF\0\0{{\n", [["not_yaml", "-", "mutransfer init"]]],
])("%s", async (_, text, expected) => {
  const found = await problems(text);
  expect(found.map(({ code, position }) => [code, position ? `${position.line}:${position.column}` : "-"])).toEqual(
    expected.map(([code, place]) => [code, place]),
  );
  for (const [index, [, , words]] of expected.entries()) expect(found[index].hint ?? "").toContain(words);
});

it("a W&B sweep and a Hydra config are told first", async () => {
  const wandb = "method: bayes\nparameters: {lr: {min: 1, max: 2}}\nrun_cap: 4\n";
  for (const [text, what] of [
    [wandb, "a W&B sweep"],
    ["defaults: [_self_]\n", "a Hydra config"],
  ])
    expect((await problems(text))[0]).toMatchObject({ code: "not_a_spec", message: `x.yaml looks like ${what}` });
});
