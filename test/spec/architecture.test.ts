/** Keys of blocks, optimizers and schedules: what they come to together, and what is said where they make no sense. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { UserError } from "../../src/errors.ts";
import { isCompleteSpec } from "../../src/spec/complete.ts";
import { statedHyperparameters, type Plan } from "../../src/spec/plan.ts";
import { readPlan } from "../../src/spec/read.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();
type Sections = Readonly<Record<string, unknown>>;
const read = (sections: Sections): Promise<Plan> =>
  readPlan(
    {
      text: stringify({ name: "x", data: { source: "moby-dick" }, width: { proxy: 32, target: 64 }, ...sections }),
      file: "x.yaml",
      directory: folder,
    },
    join(folder, "cache"),
  );
/** Mistakes as `code path: hint`. */
async function mistakes(sections: Sections): Promise<readonly string[]> {
  try {
    await read(sections);
    return [];
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return error.diagnostics.map(({ code, path, hint }) => `${code} ${path ?? ""}: ${hint ?? ""}`);
  }
}

const muon = { train: { optimizer: { name: "muon" } } };
const searching = (parameters: Sections): Sections => ({ search: { parameters } });
const rates = { values: [0.01, 0.02] };

describe("hyperparameters at which a space is stated", () => {
  it.each<readonly [string, Sections, Sections]>([
    [
      "follow what is tied, whose inputs are multiplied back",
      { model: { tied_embeddings: true } },
      { embedding_std: 0.1768, input_multiplier: 5.657 },
    ],
    ["are at their own defaults elsewhere", {}, { embedding_std: 1, input_multiplier: 1 }],
    [
      "follow ties to what is fixed",
      searching({ init_std: { value: 3 }, embedding_std: { same_as: "init_std" } }),
      { init_std: 3, embedding_std: 3 },
    ],
    [
      "follow ties to what is searched",
      { ...muon, ...searching({ learning_rate: rates, muon_learning_rate: { same_as: "learning_rate" } }) },
      { learning_rate: 0.01, muon_learning_rate: 0.01 },
    ],
    [
      "follow ties to Muon's rate, though nothing names it",
      { ...muon, ...searching({ learning_rate: { same_as: "muon_learning_rate" }, init_std: rates }) },
      { learning_rate: 0.02, muon_learning_rate: 0.02 },
    ],
    [
      "follow conditions",
      searching({ norm_learning_rate: { values: [2, 3], when: { init_std: [2] }, otherwise: 4 }, init_std: { values: [1, 2] } }),
      { norm_learning_rate: 4 },
    ],
  ])("%s", async (_, sections, expected) => {
    expect(statedHyperparameters((await read(sections)).spec)).toMatchObject(expected);
  });
});

describe("keys that need others", () => {
  const schedule = (given: Sections): Sections => ({ train: { schedule: { name: "wsd", ...given } } });
  const mistaken: readonly (readonly [string, Sections, string])[] = [
    [
      "a warm-up that leaves no room for the usual decay",
      schedule({ warmup: 0.9 }),
      "schedule_too_long train.schedule.warmup: lower one of them: together they are 1 at most",
    ],
    [
      "a decay longer than the warm-up leaves",
      schedule({ warmup: 0.5, decay: 0.6 }),
      "schedule_too_long train.schedule.decay: lower one of them: together they are 1 at most",
    ],
    [
      "a tie to Muon's rate under AdamW",
      searching({ learning_rate: { same_as: "muon_learning_rate" } }),
      "unknown_parameter search.parameters.learning_rate.same_as: add muon_learning_rate: {value: 0.02}, or values to search",
    ],
    [
      "Muon's rate under AdamW",
      searching({ muon_learning_rate: rates }),
      "key_unused search.parameters.muon_learning_rate: add train.optimizer: {name: muon}, or remove it",
    ],
    [
      "a momentum under AdamW",
      { train: { optimizer: { momentum: 0.9 } } },
      "key_unused train.optimizer.momentum: add optimizer: {name: muon}, or remove it",
    ],
    [
      "a condition on a std that tied embeddings do not have",
      { model: { tied_embeddings: true }, ...searching({ init_std: { values: [1, 2], when: { embedding_std: [1] }, otherwise: 3 } }) },
      "condition_never_holds search.parameters.init_std.when.embedding_std: it may be 0.1768",
    ],
    [
      "rope_theta where a preset's positions are overridden",
      { model: { preset: "llama", queries_per_kv: 1, positions: "learned", rope_theta: 5 } },
      "rope_theta_unused model.rope_theta: add positions: rope, or remove it",
    ],
    [
      "heads that a preset's groups do not divide",
      { model: { preset: "llama" } },
      "heads_not_divisible width.proxy: widths are multiples of queries_per_kv × head_dim = 64, the nearest 64; model.preset says how many share",
    ],
    [
      "a zero readout that is the embedding",
      { model: { preset: "gpt2", zero_init: ["readout"] } },
      "zero_init_impossible model.zero_init.0: remove readout from zero_init",
    ],
    [
      "heads of which one number does not turn",
      { model: { positions: "rope", head_dim: 1 } },
      "head_dim_odd model.head_dim: use an even head_dim, or positions: learned",
    ],
    [
      "norms of heads of one number",
      { model: { qk_norm: true, head_dim: 1 } },
      "head_dim_normed model.head_dim: use a larger head_dim, or no qk_norm",
    ],
    [
      "a query of zeros that a norm divides",
      { model: { qk_norm: true, zero_init: ["query"] } },
      "zero_init_impossible model.zero_init.0: remove query from zero_init",
    ],
    [
      "Muon's rate where nothing is Muon's",
      searching({ muon_learning_rate: rates }),
      "key_unused search.parameters.muon_learning_rate: add train.optimizer: {name: muon}, or remove it",
    ],
    [
      "a decay that the schedule does not have",
      { train: { schedule: { decay: 0.3 } } },
      "key_unused train.schedule.decay: add schedule: {name: wsd}, or remove it",
    ],
    [
      "a preset that there is not, and nothing that follows from it",
      { model: { preset: "lama", rope_theta: 5 } },
      "wrong_value model.preset: did you mean llama?",
    ],
    [
      "an optimizer that there is not, and nothing that follows from it",
      { train: { optimizer: { name: "muno", momentum: 0.9 } }, ...searching({ muon_learning_rate: rates }) },
      "wrong_value train.optimizer.name: did you mean muon?",
    ],
    ["an optimizer by its name alone", { train: { optimizer: "muon" } }, "wrong_type train.optimizer: did you mean {name: muon}?"],
    [
      "a schedule by another tool's word alone",
      { train: { schedule: "trapezoidal" } },
      "wrong_type train.schedule: did you mean {name: wsd}?",
    ],
    ["clipping that leaves gradients below ε", { train: { clip: 1e-30 } }, "out_of_range train.clip: "],
  ];
  it.each(mistaken)("%s", async (_, sections, expected) => {
    expect(await mistakes(sections)).toEqual([expected]);
  });
});

it.each<readonly [string, Sections]>([
  ["wsd as long as it can be", { train: { schedule: { name: "wsd", warmup: 0.8 } } }],
  ["tied embeddings and Muon without a space", { model: { preset: "gpt2" }, ...muon }],
  ["a space that ties to Muon's rate", { ...muon, ...searching({ learning_rate: { same_as: "muon_learning_rate" }, init_std: rates }) }],
  [
    "a preset with all of it overridden",
    { model: { preset: "qwen3", norm: "layer_norm", positions: "learned", mlp: "gelu", mlp_ratio: 4, queries_per_kv: 1, qk_norm: false } },
  ],
])("%s is complete when its defaults are filled in, so that its results can be read again", async (_, sections) => {
  expect(isCompleteSpec((await read(sections)).spec)).toBe(true);
});
