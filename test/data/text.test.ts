/** Text of every kind and size: what is refused, where it is said to be wrong, and that pieces of it give the ids of the whole. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { encode } from "gpt-tokenizer/encoding/r50k_base";
import { describe, expect, it } from "vitest";
import type { TextFile } from "../../src/data/corpus.ts";
import { openBundled } from "../../src/data/corpus.ts";
import { openDataset, type DataConfig, type Dataset } from "../../src/data/dataset.ts";
import { openEncoder, tokenizers, type TokenizerName } from "../../src/data/tokenizer.ts";
import { UserError, type Diagnostic } from "../../src/errors.ts";
import { randomStream } from "../../src/rng.ts";
import { temporaryFolder } from "../support/folder.ts";
import { idsIn } from "../support/tokens.ts";

const folder = temporaryFolder();
const cache = join(folder, "cache");
const open = (files: readonly string[], tokenizer: TokenizerName = "bytes"): Promise<Dataset> =>
  openDataset({ source: { files }, tokenizer, validation: 0.1 } satisfies DataConfig, folder, cache);
const problemsOf = async (files: readonly string[], tokenizer?: TokenizerName): Promise<readonly Diagnostic[]> => {
  try {
    await open(files, tokenizer);
    return [];
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return error.diagnostics;
  }
};
const prose = "Call me Ishmael. Some years ago, never mind how long precisely.\n".repeat(8);
const be = (bytes: Buffer): Buffer => Buffer.from(bytes).swap16();
const utf16 = (text: string): Buffer => Buffer.from(text, "utf16le");
const utf32 = (text: string): Buffer => {
  const points = Uint32Array.from(text, (character) => character.codePointAt(0) as number);
  return Buffer.from(points.buffer);
};

describe("files that are no UTF-8 text", () => {
  const cyrillic = "Зовите меня Измаил. Несколько лет тому назад.\n".repeat(8);
  const chinese = "叫我以实玛利吧。多年以前，我口袋里没有几个钱。\n".repeat(8);
  const random = randomStream(1, "binary");
  it.each([
    ["UTF-16LE", Buffer.concat([Buffer.from([0xff, 0xfe]), utf16(prose)]), "UTF-16LE"],
    ["UTF-16BE", Buffer.concat([Buffer.from([0xfe, 0xff]), be(utf16(prose))]), "UTF-16BE"],
    ["UTF-32LE", Buffer.concat([Buffer.from([0xff, 0xfe, 0, 0]), utf32(prose)]), "UTF-32LE"],
    ["UTF-32BE", Buffer.concat([Buffer.from([0, 0, 0xfe, 0xff]), utf32(prose).swap32()]), "UTF-32BE"],
    ["UTF-16LE without a mark", utf16(prose), "UTF-16LE"],
    ["UTF-16BE without a mark", be(utf16(prose)), "UTF-16BE"],
    ["UTF-32LE without a mark", utf32(prose), "UTF-32LE"],
    ["UTF-32BE without a mark", utf32(prose).swap32(), "UTF-32BE"],
    ["Cyrillic UTF-16LE without a mark", utf16(cyrillic), "UTF-16LE"],
    ["Cyrillic UTF-16BE without a mark", be(utf16(cyrillic)), "UTF-16BE"],
    ["Chinese UTF-16LE without a mark", utf16(chinese), "UTF-16LE"],
    ["Chinese UTF-16BE without a mark", be(utf16(chinese)), "UTF-16BE"],
    ["gzip", gzipSync(prose), "gzip"],
    ["raw ids", Buffer.from(Uint16Array.from({ length: 500 }, () => random.integer(5000)).buffer), "binary"],
    ["random bytes", Buffer.from(Array.from({ length: 5000 }, () => random.integer(256))), "binary"],
    [
      "text with noise after its beginning",
      Buffer.concat([
        Buffer.from("Call me Ishmael. ".repeat(6000)),
        Buffer.from(Array.from({ length: 50_000 }, () => random.integer(256))),
      ]),
      "binary data",
    ],
  ])("%s is refused by every tokenizer, by name", async (_, content, looks) => {
    writeFileSync(join(folder, "foreign.txt"), content);
    for (const tokenizer of tokenizers) {
      const [{ code, message }] = await problemsOf(["foreign.txt"], tokenizer);
      expect([code, message]).toEqual(["not_text", expect.stringMatching(`foreign.txt: .*${looks}`)]);
    }
  });

  it.each([
    ["ASCII", Buffer.from(prose)],
    ["two bytes", Buffer.from("hi")],
    ["Cyrillic", Buffer.from(cyrillic)],
    ["Chinese", Buffer.from(chinese)],
    ["with a mark", Buffer.from(`\uFEFF${prose}`)],
    ["Latin-1", Buffer.from("J\xf6rg sa\xdf am K\xf6nigsee.\n".repeat(8), "latin1")],
    ["with a few control characters", Buffer.from(`${prose}\0\x1b[31m\f${prose}`)],
  ])("text is taken, %s", async (_, content) => {
    writeFileSync(join(folder, "sound.txt"), content);
    const { train, validation } = await open(["sound.txt"]);
    expect(Buffer.from([...idsIn(train), ...idsIn(validation)])).toEqual(content);
  });

  it("are told of with the place of the first byte that is none", async () => {
    const bad = Buffer.concat([Buffer.from("é".repeat(3_000_000)), Buffer.from([0xc3, 0x28]), Buffer.from(prose)]);
    for (const [name, content, at] of [
      ["a.txt", Buffer.from(prose), undefined],
      ["b.txt", bad, 6_000_000],
      ["c.txt", Buffer.from("abc\xe9", "latin1"), 3],
      ["d.txt", Buffer.from("caf\xe9 au lait, J\xf6rg", "latin1"), 3],
    ] as const) {
      writeFileSync(join(folder, name), content);
      const problems = await problemsOf(["a.txt", name], "characters");
      expect(problems.map(({ code, message }) => [code, /(\w+\.txt) is not UTF-8 at byte (\d+)/.exec(message)?.slice(1)])).toEqual(
        at === undefined ? [] : [["not_utf8", [name, String(at)]]],
      );
    }
  });
});

describe("names and globs", () => {
  mkdirSync(join(folder, "books"), { recursive: true });
  writeFileSync(join(folder, "books", "one.text"), "one one one");
  writeFileSync(join(folder, "books", "[two].text"), "two two two");

  it("that name nothing, a folder or the home folder are each told of, with what to write", async () => {
    const problems = await problemsOf(["books/*.text", "books", "~/books/*", "none/*.text"]);
    expect(problems.map(({ code }) => code)).toEqual(["no_files", "no_files", "no_files"]);
    expect(problems.map(({ hint }) => hint)).toEqual([
      expect.stringContaining("books/**"),
      expect.stringContaining("`~`"),
      expect.stringContaining("relative"),
    ]);
  });

  it("take a name for a name, and leave out what is excluded", async () => {
    expect((await open(["books/[two].text"])).train.count).toBe(10);
    expect((await open(["books/**", "!**/\\[*"])).sources.map(({ path }) => path)).toEqual([join(folder, "books", "one.text")]);
  });
});

describe("several files", () => {
  it("are each validated on, and never where they are trained on", async () => {
    const letters = ["a", "b", "c", "d"];
    for (const letter of letters) writeFileSync(join(folder, `letter-${letter}.txt`), letter.repeat(5000));
    const { train, validation, hash } = await open(["letter-*.txt"]);
    const held = Buffer.from(idsIn(validation)).toString();
    expect(held).toBe(letters.map((letter, index) => letter.repeat(index === 3 ? 500 : 499) + (index === 3 ? "" : "\n")).join(""));
    const all = Buffer.from(idsIn(train)).toString() + held;
    for (const letter of letters) expect(all.split(letter).length - 1).toBe(5000);
    // As one file they have the same tokens in another order, and another hash.
    writeFileSync(join(folder, "letters.txt"), letters.map((letter) => letter.repeat(5000)).join("\n"));
    expect((await open(["letters.txt"])).hash).not.toBe(hash);
  });
});

describe("in pieces, a text has the ids of the whole", () => {
  const random = randomStream(1, "pieces");
  const fragments = [
    "'s",
    "'ll",
    "don't",
    " ",
    "  ",
    "\n\n",
    "\t",
    "é",
    "日本語",
    "🙂",
    "x\u0301",
    "123",
    " 45",
    "...",
    " ...",
    "\u00a0",
    "'",
    "_",
    "ß's",
  ];
  const strange = Array.from({ length: 20_000 }, () => fragments[random.integer(fragments.length)]).join("");
  const [moby] = openBundled("moby-dick").files;
  const text = Buffer.concat([...moby.pieces()])
    .toString()
    .slice(0, 200_000);

  /** A file that is read in pieces of any length. */
  const inPieces = (content: string, longest: number): TextFile => ({
    name: "x",
    sha256: "",
    *pieces() {
      const bytes = Buffer.from(content);
      for (let at = 0; at < bytes.length;) {
        const length = 1 + random.integer(longest);
        yield bytes.subarray(at, at + length);
        at += length;
      }
    },
  });
  const idsOf = async (tokenizer: TokenizerName, file: TextFile): Promise<readonly number[]> => {
    const encoder = await openEncoder(tokenizer, [file]);
    return [...encoder.encode(file)].flatMap((ids) => Array.from(ids));
  };

  it.each([
    ["Moby Dick", text],
    ["what patterns stumble over", strange],
    ["one with a mark", `\uFEFF${strange.slice(0, 999)}`],
  ])("%s", async (_, content) => {
    const plain = content.replace(/^\uFEFF/, "");
    const whole = encode(plain, { disallowedSpecial: new Set() });
    const characters = [...new Set(plain)].sort();
    for (const longest of [7, 1000, 100_000]) {
      expect(await idsOf("gpt2", inPieces(content, longest))).toEqual(whole);
      expect(await idsOf("characters", inPieces(content, longest))).toEqual(Array.from(plain, (each) => characters.indexOf(each)));
      expect(Buffer.from(await idsOf("bytes", inPieces(content, longest))).toString()).toBe(content);
    }
  });

  it("and a word without an end is refused by gpt2", async () => {
    writeFileSync(join(folder, "endless.txt"), "7".repeat(2 ** 20 + 1));
    expect((await problemsOf(["endless.txt"], "gpt2")).map(({ code }) => code)).toEqual(["endless_word"]);
    expect(await problemsOf(["endless.txt"], "characters")).toEqual([]);
  });
});
