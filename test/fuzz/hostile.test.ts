/**
 * Hostile and broken files through the real command line: those that nobody draws at random,
 * and of the mutants the first of each kind of refusal. Each must end in a documented exit
 * code without a stack trace, and leave everything outside the run folder as it was.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import pLimit from "p-limit";
import { describe, expect, it } from "vitest";
import { exitCodes } from "../../src/cli/exit-codes.ts";
import { randomStream } from "../../src/rng.ts";
import { readPlan } from "../../src/spec/read.ts";
import { parseResults, type Results } from "../../src/run/results.ts";
import { encodeLine } from "../../src/run/journal-lines.ts";
import { run, type Finished } from "../support/cli.ts";
import { checkRefusal, listing } from "./fuzz.ts";
import {
  arena,
  cache,
  checkpoint,
  checkpointMutant,
  journal,
  journalMutant,
  resultsFile,
  resultsMutant,
  sealResults,
  specMutant,
  texts,
  tokenMutant,
  without,
} from "./inputs.ts";
import { cpuEngine } from "../support/native.ts";

const outside = join(arena, "..");
const before = listing(outside, []).filter((name) => !name.startsWith("arena/cache"));
const documented: readonly number[] = Object.values(exitCodes).filter((code) => code !== exitCodes.internal);
const limit = pLimit(2);
let folders = 0;
/** A folder beside the data, with these files. */
function folderWith(files: Readonly<Record<string, string | Buffer>>): string {
  const folder = join(arena, `case-${folders++}`);
  mkdirSync(join(folder, "checkpoints"), { recursive: true });
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  return folder;
}
const spec = texts[0].replace("tokens.bin", "../tokens.bin");
const specFile = (content: string | Buffer): string => join(folderWith({ "spec.yaml": content }), "spec.yaml");
/** In the arena, where the data of the specs is. */
async function command(...args: readonly string[]): Promise<Finished> {
  const ended = await limit(() => run(args, arena, { MUTRANSFER_CACHE: cache }));
  const what = `${args.join(" ")}\n${ended.stderr.slice(0, 2000)}`;
  expect(documented, what).toContain(ended.code);
  expect(ended.stderr, what).not.toContain("    at ");
  expect(ended.stdout + ended.stderr, what).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f]/);
  return ended;
}
const refusal = async (...args: readonly string[]): Promise<string> => {
  const { code, stderr } = await command(...args);
  return `${code} ${/\[(\w+)\]/.exec(stderr)?.[1] ?? ""}`;
};
const results = JSON.parse(resultsFile) as Results;
/** A results file that was changed by somebody who knows how its digest is made. */
const forged = (change: object): string => join(folderWith({ "results.json": sealResults({ ...results, ...change }) }), "results.json");
const changed = (from: string | RegExp, to: string): string => {
  expect(spec).toMatch(from);
  return specFile(spec.replace(from, to));
};

describe("specs", () => {
  const link = (to: string): string => {
    const path = join(folderWith({}), "spec.yaml");
    symlinkSync(to, path);
    return path;
  };
  it.concurrent.each<[string, () => string, string]>([
    ["a folder", () => folderWith({}), "2 unreadable_file"],
    ["a broken link", () => link("nowhere"), "2 unreadable_file"],
    ["a link to itself", () => link("spec.yaml"), "2 unreadable_file"],
    ["an endless device", () => "/dev/zero", "2 unreadable_file"],
    ["empty", () => specFile(""), "2 empty_spec"],
    ["with a byte order mark and CRLF", () => specFile(`\uFEFF${spec.replaceAll("\n", "\r\n")}`), "0 "],
    ["UTF-16", () => specFile(Buffer.from(`\uFEFF${spec}`, "utf16le")), "2 unreadable_file"],
    ["100 MB long", () => specFile(`${spec}#${"x".repeat(100e6)}`), "2 unreadable_file"],
    ["nested deeply", () => specFile(`${spec}x: ${"[".repeat(100_000)}`), "2 yaml_syntax"],
    ["with very many keys", () => specFile(spec + Array.from({ length: 30_000 }, (_, n) => `k${n}: 1\n`).join("")), "2 unknown_key"],
    ["with a tag of code", () => specFile(`${spec}x: !!js/function "function () { process.exit(9) }"\n`), "2 yaml_syntax"],
    ["with keys of objects", () => specFile(`${spec}__proto__: {polluted: 1}\nconstructor: {prototype: {polluted: 1}}\n`), "2 unknown_key"],
    ["with a name that leaves the folder", () => changed("name: tiny", "name: ../x"), "2 wrong_value"],
    ["with a NUL in a path", () => changed("../tokens.bin", '"a\\0b"'), "2 no_files"],
    ["with too long a path", () => changed("../tokens.bin", "a".repeat(5000)), "2 no_files"],
    ["with a folder for tokens", () => changed("../tokens.bin", "/"), "2 no_files"],
    ["with a device for tokens", () => changed("../tokens.bin", "/dev/zero"), "2 no_files"],
    ["with too long a glob", () => changed(/source:[^]*model:/, `source: {files: ["${"a".repeat(70_000)}"]}\nmodel:`), "2 bad_glob"],
    ["with a million layers", () => changed("layers: 1", "layers: 1000000"), "2 out_of_range"],
    ["with infinite numbers", () => changed("proxy: 8", "proxy: 1e309"), "2 wrong_type"],
    ["with trials in exponents", () => changed("trials: 3", "trials: 1e5"), "0 "],
  ])("%s", async (_, make, expected) => expect(await refusal("validate", make())).toBe(expected));

  it.skipIf(process.platform === "win32" || process.getuid?.() === 0)("that may not be read", async () => {
    const path = specFile(spec);
    chmodSync(path, 0);
    expect(await refusal("validate", path)).toBe("2 unreadable_file");
  });
  it.skipIf(process.platform === "win32")("from a pipe are read to their end", async () => {
    const path = join(arena, "pipe");
    spawnSync("mkfifo", [path]);
    const ended = command("validate", path);
    await new Promise((resolve) => setTimeout(resolve, 100));
    spawnSync("sh", ["-c", 'cat > "$1"', "sh", path], { input: texts[0], timeout: 30_000 });
    expect((await ended).code).toBe(0);
  });
});

describe("a results file of somebody who knows how digests are made", () => {
  const withSpec = (part: object): string => forged({ spec: { ...results.spec, ...part } });
  it.concurrent.each<[string, () => string, string]>([
    ["with a name that leaves the folder", () => withSpec({ name: "../../x" }), "2 results_format"],
    ["with no model", () => withSpec({ model: null }), "2 results_format"],
    ["with a million layers", () => withSpec({ model: { ...results.spec.model, layers: 1e6 } }), "2 results_format"],
    [
      "with a version that is nested deeply",
      () => join(folderWith({ "results.json": `{"version":${"[".repeat(1e5)}${"]".repeat(1e5)}}` }), "results.json"),
      "2 results_version",
    ],
    [
      "with a NUL in its data's folder",
      () => forged({ environment: { ...results.environment, data_directory: "a\u0000b" } }),
      "2 bad_glob",
    ],
    [
      "with half of its hyperparameters",
      () => forged({ best: { ...results.best, hyperparameters: { learning_rate: 1 } } }),
      "2 results_format",
    ],
    ["with other data", () => forged({ environment: { ...results.environment, data_hash: "\u001b[2J" } }), "3 data_changed"],
  ])("%s", async (_, make, expected) => expect(await refusal("transfer", "--best", make(), "--engine", cpuEngine)).toBe(expected));
});

describe("a run folder from elsewhere", () => {
  const lines = journal
    .toString()
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const journalOf = (...records: readonly object[]): Buffer => Buffer.from(records.map((record, seq) => encodeLine(seq, record)).join(""));
  const begun = (change: object): Buffer => {
    return journalOf({ ...without(lines[0], "seq", "crc"), ...change });
  };
  it.each<[string, Buffer, string, string]>([
    ["with a spec that leaves it", begun({ spec: { name: "../../x" } }), "3 ", "3 journal_damaged"],
    ["with data elsewhere", begun({ environment: { ...results.environment, data_directory: "\u0000" } }), "0 ", "2 bad_glob"],
    ["with a name that clears the screen", begun({ name: "\u001b[2J", arithmetic: "\u001b[2J" }), "0 ", "3 data_changed"],
    ["that is newlines", Buffer.alloc(20e6, "\n"), "3 journal_damaged", "3 journal_damaged"],
    ["that is zeros", Buffer.alloc(20e6), "0 ", "2 no_run"],
  ])("with a journal %s", async (_, bytes, status, retry) => {
    const folder = folderWith({ "journal.jsonl": bytes });
    expect(await refusal("status", folder)).toBe(status);
    await command("repair", folder);
    if (retry !== "3 data_changed") expect(await refusal("retry", folder, "--failed", "-q")).toBe(retry);
  });

  it.skipIf(process.platform === "win32")("never writes through links, nor waits for pipes", async () => {
    const best = join(arena, "best.json");
    writeFileSync(best, sealResults({ ...results, environment: { ...results.environment, data_directory: "." } }));
    for (const name of ["journal.jsonl", "lock", "results.json.tmp", "transfer.json", "weights.safetensors.tmp", "checkpoints"]) {
      const folder = join(arena, `links-${name}`);
      mkdirSync(folder);
      if (name !== "journal.jsonl") writeFileSync(join(folder, "journal.jsonl"), journal);
      const precious = join(arena, `precious-${name}`);
      writeFileSync(precious, "precious");
      symlinkSync(precious, join(folder, name));
      const commands = [
        ["status", folder],
        ["retry", folder, "--failed"],
        ["repair", folder],
        ["transfer", "--best", best, "--out", folder],
      ];
      for (const args of name === "lock" ? commands : commands.slice(3)) expect(await refusal(...args), name).toBe("3 no_plain_file");
      expect(readFileSync(precious, "utf8")).toBe("precious");
    }
    const folder = join(arena, "pipes");
    mkdirSync(folder);
    spawnSync("mkfifo", [join(folder, "journal.jsonl")]);
    expect(await refusal("status", folder)).toBe("3 no_plain_file");
  });

  it.skipIf(process.platform === "win32")(
    "with checkpoints that are links, pipes or nothing of the kind, is known all the same",
    async () => {
      const folder = folderWith({ "journal.jsonl": journal, "checkpoints/trial-0-seed-3-9.safetensors": checkpoint.subarray(0, 99) });
      mkdirSync(join(folder, "checkpoints", "trial-0-seed-3-8.safetensors"));
      spawnSync("mkfifo", [join(folder, "checkpoints", "trial-0-seed-3-7.safetensors")]);
      symlinkSync("nowhere", join(folder, "checkpoints", "trial-0-seed-3-6.safetensors"));
      expect(await refusal("status", folder)).toBe("0 ");
    },
  );
});

describe("mutants that were refused", () => {
  /** The first of each code that a reader refuses, up to `most`. */
  async function refused<T>(kind: string, make: (index: number) => T, read: (input: T) => unknown, most: number): Promise<readonly T[]> {
    const found = new Map<string, T>();
    for (let index = 0; index < 400 && found.size < most; index++) {
      const input = make(index);
      try {
        await read(input);
      } catch (error) {
        const { code } = checkRefusal(error).diagnostics[0];
        if (!found.has(code)) found.set(code, input);
      }
    }
    expect(found.size, kind).toBeGreaterThan(1);
    return [...found.values()];
  }
  const stream = (kind: string, index: number): ReturnType<typeof randomStream> => randomStream(2, kind, index);

  it("as specs", async () => {
    const read = (text: string): unknown => readPlan({ text, file: "x.yaml", directory: arena }, cache);
    const mutants = await refused("spec", (index) => specMutant(stream("spec", index)), read, 7);
    await Promise.all(mutants.map((mutant) => command("validate", specFile(mutant))));
  });
  it("as results", async () => {
    const mutants = await refused(
      "results",
      (index) => resultsMutant(stream("results", index)),
      (text) => parseResults(text, "x"),
      4,
    );
    await Promise.all(mutants.map((text) => command("transfer", "--best", join(folderWith({ "results.json": text }), "results.json"))));
  });
  it("as journals and checkpoints", async () => {
    await Promise.all(
      Array.from({ length: 4 }, async (_, index) => {
        const files = { "journal.jsonl": journalMutant(stream("journal", index)) };
        const folder = folderWith({ ...files, "checkpoints/trial-0-seed-3-5.safetensors": checkpointMutant(stream("checkpoint", index)) });
        await command("status", folder);
        await command("repair", folder);
      }),
    );
  });
  it("as tokens", async () => {
    await Promise.all(
      Array.from({ length: 3 }, (_, index) => {
        const folder = folderWith({ "spec.yaml": texts[0], "tokens.bin": tokenMutant(stream("tokens", index)) });
        return command("validate", join(folder, "spec.yaml"));
      }),
    );
  });
});

it("nothing was written outside of the folders that were given", () => {
  const made = /^arena\/(case-\d+|links-|precious-|pipe|best\.json|cache)/;
  expect(listing(outside, []).filter((name) => !made.test(name))).toEqual(before);
});
