import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { UserError, type Diagnostic } from "../../src/errors.ts";
import { readPlan } from "../../src/spec/read.ts";
import { specTemplate } from "../../src/spec/template.ts";
import type { Plan } from "../../src/spec/plan.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();
const cache = join(folder, "cache");
const read = (text: string, directory = folder): Promise<Plan> => readPlan({ text, file: "config.yaml", directory }, cache);
async function problems(text: string): Promise<readonly Diagnostic[]> {
  try {
    await read(text);
    return [];
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return error.diagnostics;
  }
}
/** Mistakes as `code line:column path`. */
const summary = (diagnostics: readonly Diagnostic[]): string[] =>
  diagnostics.map(({ code, position: place, path }) => `${code} ${place ? `${place.line}:${place.column}` : "-"} ${path ?? ""}`.trim());

const smallest = "name: small\ndata: {source: moby-dick}\nwidth: {proxy: 32, target: 128}\nsearch: {trials: 4}\n";

const withSearch = (search: string): string => smallest.replace("{trials: 4}", search);
const withParameter = (parameter: string): string => withSearch(`{parameters: {${parameter}}}`);

describe("good specs", () => {
  it("may be four lines long", async () => {
    const { spec, dataset } = await read(smallest);
    expect(spec.width).toEqual({ base: 32, proxy: 32, target: 128 });
    expect(spec.model).toEqual({ layers: 2, head_dim: 16, context: 64, mlp_ratio: 4, biases: false, zero_init: ["readout", "query"] });
    expect(spec.data).toEqual({ source: "moby-dick", tokenizer: "bytes", validation: 0.1 });
    expect(spec.search.parameters.output_multiplier).toEqual({ distribution: "log_uniform", min: 1, max: 64 });
    expect(spec.train.steps).toBe(600);
    expect(dataset.vocabSize).toBe(256);
  });

  it("give what is not searched its default or its fixed value", async () => {
    const { spec } = await read(
      smallest.replace("search: {trials: 4}", "search: {parameters: {learning_rate: {values: [0.01, 0.02]}, init_std: {value: 2}}}"),
    );
    expect(spec.search.parameters).toMatchObject({
      learning_rate: { values: [0.01, 0.02] },
      init_std: { value: 2 },
      embedding_std: { value: 1 },
    });
    expect(spec.search.trials).toBe(2);
  });

  it("have one depth unless given others, which default to the model's", async () => {
    expect("depth" in (await read(smallest)).spec).toBe(false);
    const deep = `${smallest}parametrization: completep\nmodel: {layers: 8}\ndepth: {proxy: 2}\n`;
    expect((await read(deep)).spec.depth).toEqual({ base: 2, proxy: 2, target: 8 });
    expect(summary(await problems(`${smallest}depth: {target: 4}\n`))).toEqual(["depth_without_rules 5:8 depth"]);
    expect(summary(await problems(deep.replace("proxy: 2", "proxy: 9")))).toEqual(["target_smaller_than_proxy 7:16 depth.proxy"]);
  });

  it("do not start anything at zero under sp unless asked", async () => {
    for (const control of ["sp", "sp_fan_in"])
      expect((await read(`${smallest}parametrization: ${control}\n`)).spec.model.zero_init).toEqual([]);
    expect((await read(`${smallest}parametrization: sp\nmodel: {zero_init: [readout]}\n`)).spec.model.zero_init).toEqual(["readout"]);
  });

  it("have a hash that ignores layout and defaults written out, and changes with any value", async () => {
    const { specHash } = await read(smallest);
    expect(
      (
        await read(
          `# a comment\nsearch:\n  trials: 4\nwidth: {target: 128, proxy: 32, base: 32}\ndata:\n  source: moby-dick\nname: small\nseed: 1\n`,
        )
      ).specHash,
    ).toBe(specHash);
    for (const other of ["seed: 2\n", "train: {steps: 601}\n", "model: {biases: true}\n"])
      expect((await read(smallest + other)).specHash).not.toBe(specHash);
  });

  it("include the template and every file under configs", async () => {
    expect((await read(specTemplate)).spec.name).toBe("my-sweep");
    const configs = new URL("../../configs/", import.meta.url);
    for (const name of readdirSync(configs))
      expect((await read(readFileSync(new URL(name, configs), "utf8"))).spec.name, name).toBe(name.replace(".yaml", ""));
  });

  it("may tie and condition hyperparameters, and search them by any method", async () => {
    const { spec } = await read(
      withSearch(
        "{method: gp, parameters: {learning_rate: {distribution: log_uniform, min: 0.01, max: 0.1}, embedding_std: {values: [1, 2]}, init_std: {same_as: embedding_std}, output_multiplier: {distribution: log_uniform, min: 1, max: 8, when: {init_std: [1]}, otherwise: 4}, input_multiplier: {same_as: attention_multiplier}}}",
      ),
    );
    expect(spec.search.method).toBe("gp");
    expect(spec.search.trials).toBe(16);
    expect(spec.search.parameters).toMatchObject({
      init_std: { same_as: "embedding_std" },
      output_multiplier: { when: { init_std: [1] }, otherwise: 4 },
    });
  });

  it("give a finite space with ties and conditions no more trials than it holds", async () => {
    const { spec } = await read(
      withParameter(
        "embedding_std: {values: [1, 2, 4]}, init_std: {values: [1, 2, 3], when: {embedding_std: [1]}, otherwise: 1}, input_multiplier: {same_as: init_std}",
      ),
    );
    expect(spec.search.trials).toBe(5);
  });

  it("may search weight decay on the proxies when it is marked", async () => {
    const { spec } = await read(
      smallest.replace("{trials: 4}", "{parameters: {weight_decay: {values: [0, 0.1], transfers: false}, learning_rate: {value: 0.01}}}"),
    );
    expect(spec.search.parameters.weight_decay).toEqual({ values: [0, 0.1], transfers: false });
  });
});

writeFileSync(join(folder, "short.txt"), "x".repeat(300));
writeFileSync(join(folder, "odd.bin"), "abc");
writeFileSync(join(folder, "latin.txt"), Buffer.from("caf\xe9 ".repeat(100), "latin1"));
writeFileSync(join(folder, "tokens.bin"), new Uint8Array(Uint16Array.from({ length: 2000 }, (_, i) => i % 300).buffer));

it("a feed-forward width is whole although the product of its factors is rounded", async () => {
  // 50 × 2.2 is 110.00000000000001.
  expect(
    await problems(
      "name: x\ndata: {source: moby-dick}\nmodel: {head_dim: 10, mlp_ratio: 2.2}\nwidth: {proxy: 50, target: 100}\nsearch: {trials: 2}\n",
    ),
  ).toEqual([]);
});

describe("mistakes", () => {
  it.each<[string, string, string[]]>([
    ["an unknown key", `${smallest}sede: 1\n`, ["unknown_key 5:1 sede"]],
    ["an unknown nested key", `${smallest}train:\n  stepps: 5\n`, ["unknown_key 6:3 train.stepps"]],
    ["a duplicate key", `${smallest}seed: 1\nseed: 2\n`, ["duplicate_key 6:1"]],
    ["a missing section", "name: x\ndata: {source: moby-dick}\n", ["missing_key 1:1 width"]],
    ["a missing key", smallest.replace(", target: 128", ""), ["missing_key 3:1 width.target"]],
    ["a word for a number", `${smallest}train: {steps: many}\n`, ["wrong_type 5:16 train.steps"]],
    ["a fraction for a count", `${smallest}train: {steps: 1.5}\n`, ["wrong_type 5:16 train.steps"]],
    ["a negative seed", `${smallest}seed: -1\n`, ["out_of_range 5:7 seed"]],
    ["a name that is no file name", smallest.replace("small", "../x"), ["wrong_value 1:7 name"]],
    ["an unknown corpus", smallest.replace("moby-dick", "moby-dock"), ["wrong_type 2:16 data.source"]],
    ["a width that head_dim does not divide", smallest.replace("128", "120"), ["width_not_divisible 3:28 width.target"]],
    ["a base width that head_dim does not divide", smallest.replace("{proxy", "{base: 24, proxy"), ["width_not_divisible 3:15 width.base"]],
    ["a target smaller than the proxy", smallest.replace("128", "16"), ["target_smaller_than_proxy 3:28 width.target"]],
    [
      "a feed-forward width that is no integer",
      `${smallest}model: {mlp_ratio: 2.66}\n`,
      ["mlp_not_integer 5:20 model.mlp_ratio", "mlp_not_integer 5:20 model.mlp_ratio"],
    ],
    [
      "a context longer than the validation text",
      smallest.replace("moby-dick", "{files: [short.txt]}"),
      ["context_longer_than_validation_text 1:1 model.context"],
    ],
    ["files that are not there", smallest.replace("moby-dick", "{files: [none.txt]}"), ["no_files 2:24 data.source.files"]],
    [
      "ids beyond the vocabulary",
      smallest.replace("moby-dick", "{tokens: tokens.bin, vocab_size: 299}"),
      ["id_beyond_vocabulary 2:25 data.source.tokens"],
    ],
    ["token files without a vocabulary", smallest.replace("moby-dick", "{tokens: tokens.bin}"), ["missing_key 2:8 data.source.vocab_size"]],
    [
      "a tokenizer for token files",
      smallest.replace("moby-dick", "{tokens: tokens.bin, vocab_size: 300}, tokenizer: bytes"),
      ["tokenizer_unused 2:66 data.tokenizer"],
    ],
    [
      "exponents for log_uniform bounds",
      withParameter("learning_rate: {distribution: log_uniform, min: -5, max: -1}"),
      ["log_bound_not_positive 4:71 search.parameters.learning_rate.min"],
    ],
    [
      "a reversed range",
      withParameter("learning_rate: {distribution: log_uniform, min: 1, max: 0.1}"),
      ["empty_range 4:79 search.parameters.learning_rate.max"],
    ],
    [
      "an unknown distribution",
      withParameter("learning_rate: {distribution: loguniform, min: 1, max: 2}"),
      ["wrong_value 4:53 search.parameters.learning_rate.distribution"],
    ],
    ["a bare number for a parameter", withParameter("learning_rate: 0.01"), ["wrong_type 4:38 search.parameters.learning_rate"]],
    [
      "a parameter with half a range",
      withParameter("learning_rate: {distribution: uniform, min: 1}"),
      ["missing_key 4:23 search.parameters.learning_rate.max"],
    ],
    ["a learning rate of zero", withParameter("learning_rate: {value: 0}"), ["out_of_range 4:46 search.parameters.learning_rate.value"]],
    ["a value listed twice", withParameter("init_std: {values: [1, 2, 1]}"), ["duplicate_value 4:42 search.parameters.init_std.values"]],
    [
      "weight decay among the parameters",
      withParameter("weight_decay: {values: [0, 0.1]}"),
      ["not_transferable 4:23 search.parameters.weight_decay"],
    ],
    ["dropout among the parameters", withParameter("dropout: {values: [0, 0.1]}"), ["not_transferable 4:23 search.parameters.dropout"]],
    [
      "a mark that theory contradicts",
      withParameter("init_std: {values: [1, 2], transfers: false}"),
      ["transfers 4:61 search.parameters.init_std.transfers"],
    ],
    [
      "a grid over a continuous range",
      withSearch("{method: grid, parameters: {learning_rate: {distribution: log_uniform, min: 0.1, max: 1}}}"),
      ["grid_needs_values 4:52 search.parameters.learning_rate"],
    ],
    [
      "a grid of another size than trials",
      withSearch("{method: grid, trials: 5, parameters: {init_std: {values: [1, 2]}}}"),
      ["grid_size 4:32 search.trials"],
    ],
    [
      "a grid beyond all measure",
      withSearch(
        `{method: grid, parameters: {${["learning_rate", "init_std", "output_multiplier"].map((name) => `${name}: {distribution: int_uniform, min: 1, max: 50}`).join(", ")}}}`,
      ),
      ["grid_too_large 4:36 search.parameters"],
    ],
    ["values that are no numbers", withParameter("init_std: {values: [.nan, 1]}"), ["wrong_type 4:43 search.parameters.init_std.values.0"]],
    [
      "an unknown key of a source",
      smallest.replace("moby-dick", "{files: [a.txt], tokenizer: x}"),
      ["unknown_key 2:33 data.source.tokenizer"],
    ],
    ["a number that breaks two limits", `${smallest}seed: 1e26\n`, ["out_of_range 5:7 seed"]],
    [
      "a token file of half a token",
      smallest.replace("moby-dick", "{tokens: odd.bin, vocab_size: 300}"),
      ["token_file 2:25 data.source.tokens"],
    ],
    [
      "text that is no UTF-8",
      smallest.replace("moby-dick", "{files: [latin.txt]}, tokenizer: characters"),
      ["not_utf8 2:49 data.tokenizer"],
    ],
    [
      "more trials than the space holds",
      withSearch("{trials: 3, parameters: {init_std: {values: [1, 2]}}}"),
      ["too_many_trials 4:18 search.trials"],
    ],
    [
      "a tie to a name that is none",
      withParameter("init_std: {same_as: embeding_std}"),
      ["wrong_value 4:43 search.parameters.init_std.same_as"],
    ],
    ["a tie to itself", withParameter("init_std: {same_as: init_std}"), ["cyclic_reference 4:43 search.parameters.init_std.same_as"]],
    [
      "ties in a circle",
      withParameter("init_std: {same_as: embedding_std}, embedding_std: {same_as: init_std}"),
      ["cyclic_reference 4:43 search.parameters.init_std.same_as", "cyclic_reference 4:84 search.parameters.embedding_std.same_as"],
    ],
    [
      "a tie to weight decay that is not searched",
      withParameter("init_std: {same_as: weight_decay}"),
      ["unknown_parameter 4:43 search.parameters.init_std.same_as"],
    ],
    [
      "a tie to what does not transfer",
      withParameter("init_std: {same_as: weight_decay}, weight_decay: {values: [0, 0.1], transfers: false}"),
      ["tied_to_untransferable 4:43 search.parameters.init_std.same_as"],
    ],
    [
      "a value that is out of range through a tie",
      withParameter("learning_rate: {same_as: init_std}, init_std: {values: [0, 1]}"),
      ["out_of_range 4:48 search.parameters.learning_rate.same_as"],
    ],
    [
      "a condition on a name that is none",
      withParameter("init_std: {values: [1, 2], when: {embeding_std: [1]}, otherwise: 1}"),
      ["unknown_parameter 4:57 search.parameters.init_std.when.embeding_std"],
    ],
    ...["constructor", "toString"].map((name): [string, string, string[]] => [
      `a condition on ${name}, which every object has`,
      withParameter(`init_std: {values: [1, 2], when: {${name}: [1]}, otherwise: 1}`),
      [`unknown_parameter 4:57 search.parameters.init_std.when.${name}`],
    ]),
    [
      "a key that no schema gets to see",
      withParameter("init_std: {values: [1, 2], when: {__proto__: [1]}, otherwise: 1}"),
      ["unknown_key 4:57"],
    ],
    [
      "more values than anybody tries",
      withParameter(`init_std: {values: [${Array.from({ length: 10_001 }, (_, index) => index).join(", ")}]}`),
      ["out_of_range 4:42 search.parameters.init_std.values"],
    ],
    [
      "a condition on itself",
      withParameter("init_std: {values: [1, 2], when: {init_std: [1]}, otherwise: 1}"),
      ["cyclic_reference 4:67 search.parameters.init_std.when.init_std"],
    ],
    [
      "a condition that nothing meets",
      withParameter("init_std: {values: [1, 2], when: {embedding_std: [1, 3]}, otherwise: 1}, embedding_std: {values: [1, 2]}"),
      ["condition_never_holds 4:72 search.parameters.init_std.when.embedding_std"],
    ],
    [
      "a condition on a range",
      withParameter(
        "init_std: {values: [1, 2], when: {embedding_std: [1]}, otherwise: 1}, embedding_std: {distribution: uniform, min: 0, max: 2}",
      ),
      ["condition_never_holds 4:72 search.parameters.init_std.when.embedding_std"],
    ],
    [
      "a condition without another value",
      withParameter("init_std: {values: [1, 2], when: {embedding_std: [1]}}"),
      ["condition_incomplete 4:56 search.parameters.init_std.when"],
    ],
    [
      "another value without a condition",
      withParameter("init_std: {values: [1, 2], otherwise: 1}"),
      ["condition_incomplete 4:61 search.parameters.init_std.otherwise"],
    ],
    [
      "another value out of range",
      withParameter("learning_rate: {values: [1, 2], when: {embedding_std: [1]}, otherwise: 0}"),
      ["out_of_range 4:94 search.parameters.learning_rate.otherwise"],
    ],
    [
      "more trials than a conditional space holds",
      withSearch(
        "{trials: 6, method: tpe, parameters: {embedding_std: {values: [1, 2, 4]}, init_std: {values: [1, 2, 3], when: {embedding_std: [1]}, otherwise: 1}}}",
      ),
      ["too_many_trials 4:18 search.trials"],
    ],
    ["broken YAML", "name: [x\n", ["yaml_syntax 2:1"]],
    ["an alias of nothing", "name: *x\n", ["yaml_syntax 1:1"]],
    ["an empty file", "# nothing\n", ["empty_spec -"]],
    ["a list", "- a\n", ["wrong_type 1:1"]],
  ])("%s", async (_, text, expected) => {
    expect(summary(await problems(text))).toEqual(expected);
  });

  it("list the known keys when what was written is near to none", async () => {
    const [{ code, hint } = {}] = await problems(`${smallest}zebra: 1\n`);
    expect([code, hint]).toEqual(["unknown_key", expect.stringMatching(/^known keys: name, seed, /)]);
  });

  it("are reported all at once, in the order of the file, each with its place and a way out", async () => {
    const text = [
      "name: x",
      "data: {source: moby-dick, tokeniser: bytes}",
      "width: {proxy: 40, target: 128}",
      "train: {steps: 0, steps: 10, schedule: {name: cosin}}",
      "search: {trials: 9, parameters: {init_std: {values: [1, 2]}, lerning_rate: {value: 1}, weight_decay: {value: 1}}}",
    ].join("\n");
    const found = await problems(text);
    expect(summary(found)).toEqual([
      "unknown_key 2:27 data.tokeniser",
      "width_not_divisible 3:16 width.proxy",
      "duplicate_key 4:19",
      "wrong_value 4:47 train.schedule.name",
      "unknown_key 5:62 search.parameters.lerning_rate",
      "not_transferable 5:88 search.parameters.weight_decay",
    ]);
    expect(found.map(({ hint }) => hint ?? "")).toEqual(
      expect.arrayContaining(["did you mean tokenizer?", "did you mean cosine?", "did you mean learning_rate?"]),
    );
    for (const { position: place } of found) expect(place?.excerpt).toBe(text.split("\n")[(place?.line ?? 0) - 1]);
  });
});

describe("what does not transfer", () => {
  /** One key of each kind, where it is set, and a word of what the literature offers. */
  const kinds: readonly (readonly [key: string, wayOut: RegExp, source: RegExp])[] = [
    ["batch_size", /set train\.batch,/, /McCandlish.*Malladi/],
    ["target_batch", /set train\.batch,/, /McCandlish.*Malladi/],
    ["steps", /set train\.steps,/, /Bjorck.*Shen/],
    ["target_steps", /set train\.steps,/, /Bjorck.*Shen/],
    ["weight_decay", /train\.optimizer\.weight_decay/, /Wang and Aitchison.*Bergsma/],
    ["dropout", /remove it/, /Yang/],
    ["sequence_length", /set model\.context,/, /Yang/],
    ["warmup", /set train\.schedule,/, /Kalra/],
    ["beta2", /set train\.optimizer\.beta1/, /Marek/],
    ["adam_epsilon", /set train\.optimizer\.epsilon,/, /Everett/],
  ];
  it.each(kinds)("%s says so wherever it is asked for, with the way out and a source", async (key, wayOut, source) => {
    const texts: readonly (readonly [text: string, path: string])[] = [
      [withParameter(`${key}: {values: [1, 2]}`), `search.parameters.${key}`],
      [`${smallest}${key}: [1, 2]\n`, key],
      [`${smallest}target: {width: 64, ${key}: 2}\n`, `target.${key}`],
    ];
    for (const [text, path] of texts) {
      const diagnostics = await problems(text);
      const told = diagnostics.filter(({ code }) => code === "not_transferable");
      expect(told.map((each) => each.path)).toEqual([path]);
      const [{ message, hint, position }] = told;
      expect(message).toMatch(new RegExp(`^${key} is not tuned by transfer: .{40}`));
      expect([hint, hint]).toEqual([expect.stringMatching(wayOut), expect.stringMatching(source)]);
      expect(position?.excerpt.slice(position.column - 1)).toMatch(new RegExp(`^${key}:`));
      expect(diagnostics.filter(({ code }) => code === "unknown_key").map((each) => each.path)).toEqual(
        path.startsWith("target.") ? ["target"] : [],
      );
    }
  });
  it("is said of dropout in the model, and of lists where one number is wanted", async () => {
    for (const [lines, path] of [
      ["model: {dropout: 0.1}", "model.dropout"],
      ["train: {batch: [16, 32]}", "train.batch"],
      ["train: {steps: {proxy: 100, target: 1000}}", "train.steps"],
      ["train: {optimizer: {weight_decay: {values: [0, 0.1]}}}", "train.optimizer.weight_decay"],
    ])
      expect((await problems(`${smallest}${lines}\n`)).map((each) => [each.code, each.path])).toEqual([["not_transferable", path]]);
  });
  it("is not said of keys that mean something else where they stand", async () => {
    const other = smallest
      .replace("source: moby-dick", "source: moby-dick, steps: 3")
      .replace("{trials: 4}", "{early_stopping: {steps: 3}}");
    expect((await problems(other)).map(({ code }) => code)).toEqual(["unknown_key", "unknown_key"]);
    expect((await problems(`${smallest}train: {step: 3}\n`))[0]).toMatchObject({ code: "unknown_key", hint: "did you mean steps?" });
  });
});

describe("what is told", () => {
  it.each<[string, string, readonly string[]]>([
    [
      "of a distribution that there is none of: its name, and not its keys",
      withSearch("{trials: 4, parameters: {learning_rate: {distribution: normal, mu: 1, sigma: 2}}}"),
      ["search.parameters.learning_rate.distribution", "search.parameters.learning_rate.mu", "search.parameters.learning_rate.sigma"],
    ],
    [
      "of a space one of whose parameters is mistaken: that, and nothing of how many sets it holds",
      withSearch("{trials: 9, parameters: {learning_rate: {distribution: log_uniform, min: 0.1, max: .inf}, init_std: {values: [1, 2]}}}"),
      ["search.parameters.learning_rate.max"],
    ],
  ])("%s", async (_, text, paths) => expect((await problems(text)).map(({ path }) => path)).toEqual(paths));

  it.each<[string, string, RegExp]>([
    ["a word of YAML 1.1", withSearch("{trials: 4, confirm: no}"), /expected false, or \{seeds: …\}, found "no"\n.*did you mean false\?/],
    ["a number beyond all limits", `${smallest}seed: 99999999999999999999999\n`, /at most 4294967295/],
    ["files beside a source", smallest.replace("{source: moby-dick}", "{files: [a.txt]}"), /did you mean source\? \(a corpus, \{files/],
    ["a placeholder between braces", smallest.replace("target: 128", "target: ${n}"), /\$\{n\} is not filled in here/],
    ["a template's placeholder", `${smallest}seed: "{{ seed }}"\n`, /\{\{ seed \}\} is not filled in here/],
    ["a shell's variable", smallest.replace("128", "$TARGET"), /\$TARGET is not filled in here/],
    ["a tag", smallest.replace("small", "!env NAME"), /^!env is a tag that means nothing here\nremove it/],
    ["a choice", withParameter("init_std: {distribution: choice, values: [1, 2]}"), /^unknown key distribution\nremove it/],
    ["a constant", withParameter("init_std: {distribution: constant, value: 1}"), /^unknown key distribution\nremove it/],
    ["nanoGPT's batch", `${smallest}batch_size: 12\n`, /^unknown key batch_size\ndid you mean train.batch\?$/],
    ["one of Adam's rates", `${smallest}beta2: 0.99\n`, /^unknown key beta2\ndid you mean train.optimizer.beta2\?$/],
    ["another tool's context", `${smallest}block_size: 64\n`, /^unknown key block_size\ndid you mean model.context\?$/],
    ["a W&B sweep", "method: random\nparameters: {lr: {value: 1}}\n", /mutransfer init --from \S+ spec.yaml/],
    [
      "a results.json",
      JSON.stringify({ version: 4, spec_hash: "a", trials: [] }),
      /^\S+ looks like the results.json of a sweep\n.*transfer --best/,
    ],
    [
      "settings with notes",
      "n_head = 6\nmin_lr = 1e-4\n",
      /n_head becomes model.head_dim \(the size.*min_lr becomes train.schedule.final \(as a factor/,
    ],
  ])("of %s", async (_, text, told) =>
    expect((await problems(text)).map(({ message, hint }) => `${message}\n${hint ?? ""}`).join("\n")).toMatch(told),
  );
});
