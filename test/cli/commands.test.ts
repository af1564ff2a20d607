/** The commands that train nothing, and what happens to bad input, through the built command line. */
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { run, type Finished } from "../support/cli.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();
const cli = (...args: string[]): Promise<Finished> => run(args, folder);
const config = (name: string): string => fileURLToPath(new URL(`../../configs/${name}.yaml`, import.meta.url));
const small = "name: small\ndata: {source: moby-dick}\nwidth: {proxy: 32, target: 128}\n";

/** Twenty bad specs: each must be refused with exit 2, its code on stderr, nothing on stdout and nothing written. */
const bad: Readonly<Record<string, string>> = {
  unknown_key: `${small}trian: {}\n`,
  duplicate_key: `${small}name: again\n`,
  missing_key: "name: small\n",
  wrong_type: small.replace("32", "wide"),
  wrong_value: `${small}parametrization: ntk\n`,
  out_of_range: `${small}train: {batch: 0}\n`,
  width_not_divisible: small.replace("128", "130"),
  target_smaller_than_proxy: small.replace("128", "16"),
  mlp_not_integer: `${small}model: {mlp_ratio: 0.3}\n`,
  context_longer_than_validation_text: `${small}model: {context: 1000000}\n`,
  no_files: small.replace("moby-dick", "{files: [nothing.txt]}"),
  token_file: small.replace("moby-dick", "{tokens: odd.bin, vocab_size: 5}"),
  id_beyond_vocabulary: small.replace("moby-dick", "{tokens: ids.bin, vocab_size: 5}"),
  tokenizer_unused: small.replace("moby-dick", "{tokens: ids.bin, vocab_size: 9}, tokenizer: gpt2"),
  log_bound_not_positive: `${small}search: {parameters: {learning_rate: {distribution: log_uniform, min: -3, max: -1}}}\n`,
  empty_range: `${small}search: {parameters: {learning_rate: {distribution: uniform, min: 2, max: 1}}}\n`,
  duplicate_value: `${small}search: {parameters: {init_std: {values: [1, 1]}}}\n`,
  grid_needs_values: `${small}search: {method: grid}\n`,
  grid_size: `${small}search: {method: grid, trials: 3, parameters: {init_std: {values: [1, 2]}}}\n`,
  too_many_trials: `${small}search: {trials: 3, parameters: {init_std: {values: [1, 2]}}}\n`,
  not_transferable: `${small}search: {parameters: {weight_decay: {values: [0, 0.1]}}}\n`,
  transfers: `${small}search: {parameters: {learning_rate: {value: 0.1, transfers: false}}}\n`,
  yaml_syntax: "name: {\n",
  empty_spec: "",
};
writeFileSync(join(folder, "odd.bin"), new Uint8Array(3));
writeFileSync(join(folder, "ids.bin"), new Uint8Array(Uint16Array.from({ length: 3000 }, (_, i) => i % 9).buffer));

describe("bad specs", () => {
  it.each(Object.entries(bad))("%s", async (code, text) => {
    const before = readdirSync(folder);
    const name = `${code}.yaml`;
    writeFileSync(join(folder, name), text);
    for (const command of [
      ["validate", name],
      ["sweep", name, "--out", "never"],
    ]) {
      const finished = await cli(...command);
      expect([finished.code, finished.stdout]).toEqual([2, ""]);
      expect(finished.stderr).toContain(`[${code}]`);
      expect(finished.stderr).toContain(name);
      expect(finished.stderr).not.toMatch(/\n\s+at .*\(|internal error/);
    }
    expect(readdirSync(folder).sort()).toEqual([...before, name].sort());
  });
});

describe("usage", () => {
  it.each([
    [["sweep"], "missing required argument 'config'"],
    [["swep", "x.yaml"], "Did you mean sweep?"],
    [["sweep", "x.yaml", "--engine", "abacus"], "Allowed choices are auto, cuda, tfjs, webgpu, native, onnxruntime"],
    [["sweep", "x.yaml", "--jobs", "none"], "expected a whole number"],
    [["sweep", "x.yaml", "--json", "--events", "ndjson"], "cannot be used with"],
    [["sweep", "absent.yaml"], "absent.yaml: there is no such file"],
    [["sweep", "."], "it is a folder"],
    [["transfer"], "required option '--best"],
    [["transfer", "--best", "absent.json"], "there is no such file"],
    [["transfer", "--best", "odd.bin"], "results_not_json"],
    [[], "Usage: mutransfer"],
  ])("%j is exit 2", async (args, message) => {
    const { code, stdout, stderr } = await cli(...args);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(message);
  });

  it("help and version go to stdout with exit 0, and help leads to every command", async () => {
    const help = await cli("--help");
    expect([help.code, help.stderr]).toEqual([0, ""]);
    for (const command of ["sweep", "transfer", "validate", "plan", "table", "init", "schema"])
      expect(help.stdout).toContain(`  ${command} `);
    expect((await cli("--version")).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    for (const command of ["sweep", "transfer"]) expect((await cli(command, "--help")).stdout).toContain("Examples:");
  });
});

describe("init, validate and schema", () => {
  it("write a spec that is valid, and never overwrite one", async () => {
    expect((await cli("init", "mine.yaml")).code).toBe(0);
    const text = readFileSync(join(folder, "mine.yaml"), "utf8");
    expect(text.startsWith("# yaml-language-server: $schema=")).toBe(true);
    expect((await cli("validate", "mine.yaml")).stdout).toMatch(/^mine\.yaml: ok, 16 random trials/);
    expect([(await cli("init", "mine.yaml")).code, readFileSync(join(folder, "mine.yaml"), "utf8")]).toEqual([2, text]);
  });

  it("describe the spec as draft-07 with a sentence for every key", async () => {
    interface Schema {
      readonly $schema?: string;
      readonly description?: string;
      readonly properties?: Readonly<Record<string, Schema>>;
      readonly anyOf?: readonly Schema[];
    }
    const schema = JSON.parse((await cli("schema")).stdout) as Schema;
    expect(schema.$schema).toBe("http://json-schema.org/draft-07/schema#");
    const walk = (each: Schema, path: string): void => {
      for (const [key, property] of Object.entries(each.properties ?? {})) {
        expect(property.description, `${path}.${key}`).toBeTruthy();
        walk(property, `${path}.${key}`);
      }
      for (const branch of each.anyOf ?? []) walk(branch, path);
    };
    walk(schema, "");
  });
});

describe("plan", () => {
  it("counts, measures and trains nothing", async () => {
    const { stdout, code } = await cli("plan", config("quickstart"), "--json");
    expect(code).toBe(0);
    const plan = JSON.parse(stdout) as {
      trials: number;
      stacks: number;
      proxies: { flops: number; parameters: number; seconds: number; memory_bytes: number };
      target: { parameters: number; seconds: number };
    };
    expect(plan).toMatchObject({ trials: 12, confirmations: 12, steps: 600, tokens_per_step: 1024 });
    expect(plan.proxies.parameters).toBe(12 * 2 * 32 ** 2 + 2 * 89 * 32 + 64 * 32 + 5 * 32);
    expect(plan.proxies.flops).toBe(24 * 600 * (6 * (12 * 2 * 32 ** 2 + 89 * 32) * 1024 + 12 * 2 * 16 * 64 * 64 * 32));
    expect(plan.proxies.seconds).toBeGreaterThan(5);
    expect(plan.proxies.memory_bytes).toBeGreaterThan(1e8);
    expect(existsSync(join(folder, "runs"))).toBe(false);
  });

  it("is what a dry run prints, in as many stacks as asked for", async () => {
    const { stdout, stderr, code } = await cli("sweep", config("smoke"), "--dry-run", "--stack", "4", "--out", "never");
    expect(code).toBe(0);
    expect(stderr).not.toContain("reading");
    expect(stdout).toContain("6 random trials and 4 confirmations");
    expect(stdout).toContain("racing may add up to 4 trainings");
    expect(stdout).toMatch(/^racing may take up to about \d+:\d\d more, and no more checkpoints at a time$/m);
    expect(stdout).toContain("in stacks of 4");
    for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
    expect(existsSync(join(folder, "never"))).toBe(false);
  });

  it("shows the training step op by op", async () => {
    const { stdout } = await cli("plan", config("smoke"), "--program");
    for (const kind of ["embedding", "norm_linear", "attention", "gelu", "cross_entropy", "attention_backward", "adamw"])
      expect(stdout).toMatch(new RegExp(`^  ${kind} `, "m"));
  });
});

describe("table", () => {
  interface Table {
    readonly attention_scale: number;
    readonly tensors: readonly {
      readonly name: string;
      readonly role: string;
      readonly shape: readonly number[];
      readonly multiplier: number;
      readonly init_std: number;
      readonly learning_rate: number;
      readonly weight_decay: number;
      readonly epsilon: number;
    }[];
  }
  const golden = `name: golden
data: {source: moby-dick}
model: {head_dim: 64, biases: true}
width: {base: 256, proxy: 256, target: 1024}
train: {optimizer: {weight_decay: 0.1}}
search: {parameters: {learning_rate: {value: 6.0e-3}, init_std: {value: 0.32}, embedding_std: {value: 0.02}}}
`;
  const tableOf = async (...args: string[]): Promise<Table> =>
    JSON.parse((await cli("table", "golden.yaml", "--json", ...args)).stdout) as Table;

  it("prints the literal μP values at four times the base width", async () => {
    writeFileSync(join(folder, "golden.yaml"), golden);
    const { tensors, attention_scale: attention } = await tableOf();
    const row = (name: string): Table["tensors"][number] | undefined => tensors.find((tensor) => tensor.name === name);
    expect(attention).toBe(0.125);
    expect(row("blocks.0.mlp.up.weight")).toMatchObject({
      role: "hidden",
      shape: [1024, 4096],
      multiplier: 1,
      learning_rate: 1.5e-3,
      weight_decay: 0.4,
      epsilon: 2.5e-9,
    });
    expect(row("blocks.0.mlp.up.weight")?.init_std).toBeCloseTo(0.01, 12);
    expect(row("blocks.0.attention.query.weight")?.init_std).toBe(0);
    expect(row("token_embedding")).toMatchObject({ role: "embedding", init_std: 0.02, learning_rate: 6e-3, epsilon: 2.5e-9 });
    expect(row("readout.weight")).toMatchObject({ role: "readout", multiplier: 0.25, init_std: 0, learning_rate: 6e-3 });
    expect(new Set(tensors.map(({ role }) => role))).toEqual(new Set(["embedding", "hidden", "readout", "norm", "bias"]));
  });

  it("is the same for mup and sp at the base width, given the same zero-init", async () => {
    const mup = await tableOf("--width", "256");
    writeFileSync(
      join(folder, "golden.yaml"),
      golden.replace("biases: true", "biases: true, zero_init: [readout, query]") + "parametrization: sp\n",
    );
    expect((await tableOf("--width", "256")).tensors).toEqual(mup.tensors);
    expect((await tableOf()).tensors.find(({ name }) => name === "blocks.0.mlp.up.weight")?.learning_rate).toBe(6e-3);
  });

  it("refuses a width that cannot be", async () => {
    const { code, stderr } = await cli("table", "golden.yaml", "--width", "100");
    expect([code, stderr]).toEqual([2, expect.stringContaining("width_not_divisible")]);
  });
});
