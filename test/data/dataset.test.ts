import { mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { contextProblems, openDataset, type DataConfig } from "../../src/data/dataset.ts";
import { UserError } from "../../src/errors.ts";
import { temporaryFolder } from "../support/folder.ts";
import { idsIn as ids } from "../support/tokens.ts";

const folder = temporaryFolder();
const cache = join(folder, "cache");
const text = (source: DataConfig["source"], tokenizer: DataConfig["tokenizer"] = "bytes", validation = 0.25): DataConfig => ({
  source,
  tokenizer,
  validation,
});
const bytesOf = (values: readonly number[]): Uint8Array => new Uint8Array(Uint16Array.from(values).buffer);
/** An llm.c file: 256 int32 of header, then the tokens. */
function llmc(magic: number, version: number, tokens: Uint16Array | Uint32Array, claimed = tokens.length): Uint8Array {
  const header = new Int32Array(256);
  header.set([magic, version, claimed]);
  return Buffer.concat([new Uint8Array(header.buffer), new Uint8Array(tokens.buffer)]);
}
const codes = async (config: DataConfig): Promise<string[]> => {
  try {
    await openDataset(config, folder, cache);
    return [];
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return error.diagnostics.map(({ code }) => code);
  }
};

describe("text", () => {
  writeFileSync(join(folder, "a.txt"), "abca");
  writeFileSync(join(folder, "b.txt"), "xéz");

  it("is joined in path order, tokenized and split at the end", async () => {
    const { train, validation, vocabSize } = await openDataset(text({ files: ["*.txt"] }), folder, cache);
    expect(vocabSize).toBe(256);
    expect(Buffer.from([...ids(train), ...ids(validation)]).toString()).toBe("abca\nxéz");
    expect(validation.count).toBe(2);
  });

  it("as characters has the corpus's own alphabet", async () => {
    const { train, validation, vocabSize } = await openDataset(text({ files: ["*.txt"] }, "characters"), folder, cache);
    expect(vocabSize).toBe(7); // \n a b c x z é
    expect([...ids(train), ...ids(validation)]).toEqual([1, 2, 3, 1, 0, 4, 6, 5]);
  });

  it("as gpt2 has r50k's ids, and special tokens in it are text", async () => {
    writeFileSync(join(folder, "gpt2.text"), "Hello world\n<|endoftext|>");
    const { train, validation, vocabSize } = await openDataset(text({ files: ["gpt2.text"] }, "gpt2"), folder, cache);
    expect(vocabSize).toBe(50257);
    // As the GPT-2 release encodes it; as a special token it would be the one id 50256.
    expect([...ids(train), ...ids(validation)]).toEqual([15496, 995, 198, 27, 91, 437, 1659, 5239, 91, 29]);
  });

  it("is cached by content: a change makes new tokens, a damaged cache is rebuilt", async () => {
    const config = text({ files: ["changing.txt"] });
    writeFileSync(join(folder, "changing.txt"), "first text");
    const before = await openDataset(config, folder, cache);
    expect((await openDataset(config, folder, cache)).train.pieces[0].file.path).toBe(before.train.pieces[0].file.path);
    writeFileSync(before.train.pieces[0].file.path, "x".repeat(statSync(before.train.pieces[0].file.path).size));
    expect(ids((await openDataset(config, folder, cache)).train)).toEqual([...Buffer.from("first te")]);
    writeFileSync(join(folder, "changing.txt"), "other text");
    const after = await openDataset(config, folder, cache);
    expect(after.hash).not.toBe(before.hash);
    expect(after.train.pieces[0].file.path).not.toBe(before.train.pieces[0].file.path);
  });

  it("has another hash when another fraction is held out", async () => {
    const hash = async (validation: number): Promise<string> =>
      (await openDataset(text({ files: ["a.txt"] }, "bytes", validation), folder, cache)).hash;
    expect(await hash(0.25)).toBe(await hash(0.25));
    expect(await hash(0.5)).not.toBe(await hash(0.25));
  });

  it("of more characters than 16 bits can number is refused", async () => {
    writeFileSync(join(folder, "many.text"), Array.from({ length: 65537 }, (_, i) => String.fromCodePoint(0x10000 + i)).join(""));
    expect(await codes(text({ files: ["many.text"] }, "characters"))).toEqual(["vocabulary_too_large"]);
  });

  it("bundled is the whole of Moby Dick", async () => {
    const { train, validation, vocabSize, hash } = await openDataset(text("moby-dick", "bytes", 0.1), folder, cache);
    expect([vocabSize, train.count + validation.count, validation.count]).toEqual([256, 1216440, 121644]);
    // What runs of earlier versions have in their journals: they go on with the same tokens.
    expect(hash).toBe("e93b84552191c20d967c3c9dd82708a2c9ba4ca1dd6396e5ec692aba7288b15c");
    expect(new Set([...ids(train), ...ids(validation)]).size).toBe(95);
  });

  it("that no glob matches is reported", async () => {
    expect(await codes(text({ files: ["*.none"] }))).toEqual(["no_files"]);
  });
});

describe("token files", () => {
  const source = (tokens: string, vocabSize: number, validationTokens?: string): DataConfig =>
    text({ tokens: [tokens], vocabSize, ...(validationTokens !== undefined && { validationTokens: [validationTokens] }) });
  const values = Array.from({ length: 40 }, (_, i) => (i * 7) % 30);
  writeFileSync(join(folder, "nano.bin"), bytesOf(values));
  writeFileSync(join(folder, "llmc.bin"), llmc(20240520, 1, Uint16Array.from(values)));
  writeFileSync(
    join(folder, "llama.bin"),
    llmc(
      20240801,
      7,
      Uint32Array.from(values, (id) => id + 70000),
    ),
  );

  it.each([
    ["nano.bin", 30, values],
    ["llmc.bin", 30, values],
    ["llama.bin", 128256, values.map((id) => id + 70000)],
  ])("%s is read by offset", async (name, vocabSize, expected) => {
    const { train, validation } = await openDataset(source(name, vocabSize), folder, cache);
    expect([...ids(train), ...ids(validation)]).toEqual(expected);
    expect(validation.count).toBe(10);
  });

  it("may come with their own validation file", async () => {
    writeFileSync(join(folder, "held.bin"), bytesOf([1, 2, 3]));
    const { train, validation } = await openDataset(source("nano.bin", 30, "held.bin"), folder, cache);
    expect([train.count, ids(validation)]).toEqual([40, [1, 2, 3]]);
  });

  it("have another hash with another validation file, or another fraction held out", async () => {
    writeFileSync(join(folder, "held-1.bin"), bytesOf([1, 2]));
    writeFileSync(join(folder, "held-2.bin"), bytesOf([2, 1]));
    const configs = [
      source("nano.bin", 30),
      { ...source("nano.bin", 30), validation: 0.5 },
      source("nano.bin", 30, "held-1.bin"),
      source("nano.bin", 30, "held-2.bin"),
    ];
    const datasets = await Promise.all(configs.map((config) => openDataset(config, folder, cache)));
    expect(new Set(datasets.map(({ hash }) => hash)).size).toBe(4);
  });

  it("are checked to the last id, however long they are", async () => {
    const long = new Uint16Array((1 << 20) + 1);
    long[1 << 20] = 9;
    writeFileSync(join(folder, "long.bin"), long);
    expect(await codes(source("long.bin", 9))).toEqual(["id_beyond_vocabulary"]);
    expect(await codes(source("long.bin", 10))).toEqual([]);
  });

  it("are refused when they are absent, odd, cut, of an unknown version, or beyond the vocabulary", async () => {
    writeFileSync(join(folder, "odd.bin"), new Uint8Array(7));
    writeFileSync(join(folder, "empty.bin"), new Uint8Array());
    writeFileSync(join(folder, "cut.bin"), llmc(20240520, 1, Uint16Array.from(values), 41));
    writeFileSync(join(folder, "version.bin"), llmc(20240520, 2, Uint16Array.from(values)));
    mkdirSync(join(folder, "folder.bin"));
    for (const name of ["odd.bin", "empty.bin", "cut.bin", "version.bin"])
      expect(await codes(source(name, 30)), name).toEqual(["token_file"]);
    for (const name of ["absent.bin", "folder.bin"]) expect(await codes(source(name, 30)), name).toEqual(["no_files"]);
    expect(await codes(source("nano.bin", 29))).toEqual(["id_beyond_vocabulary"]);
    expect(await codes(source("absent.bin", 30, "odd.bin"))).toEqual(["no_files", "token_file"]);
  });

  it("are scanned again when they change", async () => {
    const path = join(folder, "grows.bin");
    writeFileSync(path, bytesOf([1, 2, 3, 4]));
    expect(await codes(source("grows.bin", 5))).toEqual([]);
    writeFileSync(path, bytesOf([1, 2, 3, 9]));
    utimesSync(path, new Date(), new Date(Date.now() + 5000));
    expect(await codes(source("grows.bin", 5))).toEqual(["id_beyond_vocabulary"]);
  });
});

it("a context that leaves no window is reported for either part", async () => {
  writeFileSync(join(folder, "short.text"), "x".repeat(40));
  const dataset = await openDataset(text({ files: ["short.text"] }), folder, cache);
  const problems = (context: number): string[] => contextProblems(dataset, context).map(({ code }) => code);
  expect(problems(9)).toEqual([]);
  expect(problems(10)).toEqual(["context_longer_than_validation_text"]);
  expect(problems(30)).toEqual(["context_longer_than_validation_text", "context_longer_than_training_text"]);
});

it("leaves no temporary file behind", () => {
  expect(readdirSync(cache).filter((name) => name.endsWith(".tmp"))).toEqual([]);
});
