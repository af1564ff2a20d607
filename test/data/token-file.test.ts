/** Which files are read as token ids, and what others are said to look like. */
import { deflateRawSync, gzipSync } from "node:zlib";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openDataset, type TokenSource } from "../../src/data/dataset.ts";
import { encodeSafetensors } from "../../src/data/safetensors.ts";
import type { TokenizerName } from "../../src/data/tokenizer.ts";
import { UserError } from "../../src/errors.ts";
import { randomStream } from "../../src/rng.ts";
import { temporaryFolder } from "../support/folder.ts";
import { idsIn, npy } from "../support/tokens.ts";

const folder = temporaryFolder();
const cache = join(folder, "cache");
let files = 0;
/** Writes a file and opens it as tokens: gives all its ids, or the codes of what is wrong. */
async function read(content: Uint8Array, source: Omit<TokenSource, "tokens">): Promise<number[] | string> {
  const name = `${files++}.bin`;
  writeFileSync(join(folder, name), content);
  try {
    const { train, validation } = await openDataset(
      { source: { ...source, tokens: [name] }, tokenizer: "bytes", validation: 0.1 },
      folder,
      cache,
    );
    return [...idsIn(train), ...idsIn(validation)];
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return error.diagnostics.map(({ code, message }) => `${code}: ${message.replace(/.*looks like /, "")}`).join();
  }
}
const bytesOf = (ids: Uint8Array | Uint16Array | Uint32Array | Int32Array | BigInt64Array | Float32Array | Float64Array): Buffer =>
  Buffer.from(ids.buffer, ids.byteOffset, ids.byteLength);

/** Ids as text has them: a few are common, most are rare. */
function zipf(count: number, vocabulary: number, first = 0): readonly number[] {
  const random = randomStream(1, "zipf", 100_003 * count + vocabulary);
  return Array.from({ length: count }, () => first + Math.floor(vocabulary ** random.uniform()) - 1);
}

describe("ids of other widths", () => {
  const large = zipf(3000, 128_256);
  const ids = zipf(3000, 50_257);

  it.each([
    ["raw uint16", Uint16Array.from(ids), {}],
    ["raw uint16 that says so", Uint16Array.from(ids), { dtype: "uint16" }],
    ["raw uint32 that says so", Uint32Array.from(ids), { dtype: "uint32" }],
  ] as const)("%s is read", async (_, content, dtype) => {
    expect(await read(bytesOf(content), { vocabSize: 50_257, ...dtype })).toEqual(ids);
  });

  it.each([
    ["<u2", Uint16Array.from(ids), ids, 50_257],
    ["<u4", Uint32Array.from(large), large, 128_256],
    ["<i4", Int32Array.from(large), large, 128_256],
    ["<i8", BigInt64Array.from(large, BigInt), large, 128_256],
  ] as const)(".npy of %s is read, whatever dtype raw files have", async (type, content, expected, vocabSize) => {
    expect(await read(npy(type, [content.length], bytesOf(content)), { vocabSize })).toEqual(expected);
    expect(await read(npy(type, [2, content.length / 2], bytesOf(content)), { vocabSize, dtype: "uint32" })).toEqual(expected);
  });

  it.each([
    ["uint32 with a small vocabulary", Uint32Array.from(ids), 50_257, "not_token_ids: 32-bit ids"],
    ["uint32 with a large one", Uint32Array.from(large), 65_536, "not_token_ids: 32-bit ids"],
    ["int64", BigInt64Array.from(ids, BigInt), 50_257, "not_token_ids: 64-bit ids"],
    ["uint32 for a vocabulary beyond 16 bits", Uint32Array.from(large), 128_256, "not_token_ids: 32-bit ids"],
  ])("raw %s is not taken for uint16", async (_, content, vocabSize, problem) => {
    expect(await read(bytesOf(content), { vocabSize })).toBe(problem);
    expect(await read(bytesOf(content), { vocabSize, dtype: "uint16" })).toBe(problem);
  });

  it("raw int64 is not taken for uint32", async () => {
    expect(await read(bytesOf(BigInt64Array.from(ids, BigInt)), { vocabSize: 50_257, dtype: "uint32" })).toBe("not_token_ids: 64-bit ids");
  });

  it("ids that were cut off at 16 bits are refused by their vocabulary", async () => {
    expect(await read(bytesOf(Uint16Array.from(large)), { vocabSize: 128_256 })).toMatch(/^vocabulary_beyond_dtype/);
    expect(await read(npy("<u2", [3000], bytesOf(Uint16Array.from(large))), { vocabSize: 128_256 })).toMatch(/^vocabulary_beyond_dtype/);
  });

  it("negative and enormous ids are beyond the vocabulary", async () => {
    expect(await read(npy("<i4", [2], bytesOf(Int32Array.of(1, -1))), { vocabSize: 2 ** 31 - 1 })).toMatch(/^id_beyond_vocabulary/);
    expect(await read(npy("<i8", [2], bytesOf(BigInt64Array.of(1n, 2n ** 40n))), { vocabSize: 2 ** 31 - 1 })).toMatch(
      /^id_beyond_vocabulary/,
    );
  });

  it.each([
    ["big-endian", npy(">u2", [4], Buffer.alloc(8))],
    ["floating-point", npy("<f4", [4], Buffer.alloc(16))],
    ["by columns", npy("<u2", [2, 2], Buffer.alloc(8), "True")],
    ["of another size", npy("<u2", [5], Buffer.alloc(8))],
    ["cut in its header", npy("<u2", [4], Buffer.alloc(8)).subarray(0, 20)],
  ])(".npy that is %s is refused", async (_, content) => {
    expect(await read(content, { vocabSize: 50 })).toMatch(/^token_file/);
  });
});

describe("files of another kind", () => {
  const random = randomStream(1, "kinds");
  const noise = Buffer.from(Array.from({ length: 65_536 }, () => random.integer(256)));
  const normals = Float32Array.from({ length: 8192 }, () => 0.02 * (random.uniform() + random.uniform() + random.uniform() - 1.5));
  const prose = "Call me Ishmael. Some years ago, never mind how long precisely. ".repeat(4);
  it.each([
    ["gzip", gzipSync(prose), "a gzip archive"],
    ["zip", Buffer.concat([Buffer.from("PK\x03\x04"), Buffer.alloc(60)]), "a zip archive, as PyTorch's checkpoints and .npz files are"],
    ["a pickle", Buffer.concat([Buffer.from([0x80, 4, 0x95]), Buffer.alloc(60), Buffer.from(".")]), "a pickle"],
    [
      "safetensors",
      Buffer.concat([...encodeSafetensors([{ name: "w", shape: [2], data: new Float32Array(2) }], {})]),
      "a safetensors file of weights",
    ],
    ["text", Buffer.from(prose), "text"],
    ["text in another script", Buffer.from("Зовите меня Измаил. ".repeat(4000)), "text"],
    ["text in an old encoding", Buffer.from("J\xf6rg sa\xdf am K\xf6nigsee und a\xdf. ".repeat(8), "latin1"), "text"],
    ["float32 weights", bytesOf(normals), "floating-point weights"],
    [
      "bfloat16 weights",
      bytesOf(Uint16Array.from({ length: 8192 }, (_, i) => bytesOf(normals).readUInt16LE(4 * i + 2))),
      "floating-point weights",
    ],
    ["float64 weights", bytesOf(Float64Array.from(normals)), "floating-point weights"],
    ["float64 ids", bytesOf(Float64Array.from(zipf(4000, 50_257))), "floating-point numbers"],
    ["float32 ids", bytesOf(Float32Array.from(zipf(4000, 50_257))), "floating-point numbers"],
    ["an llm.c checkpoint", Buffer.concat([bytesOf(Int32Array.of(20240326, 3)), Buffer.alloc(2040)]), "an llm.c checkpoint"],
    ["GGUF", Buffer.concat([Buffer.from("GGUF\x03\0\0\0"), Buffer.alloc(56)]), "a GGUF file of weights"],
    ["noise", noise, "compressed or encrypted data"],
    ["deflate without a header", deflateRawSync(noise.map((byte) => byte % 200)), "compressed or encrypted data"],
  ])("%s", async (_, content, what) => {
    for (const dtype of ["uint16", "uint32"] as const)
      if (content.length % 4 === 0 || dtype === "uint16")
        expect(await read(content, { vocabSize: 65_536, dtype })).toBe(`not_token_ids: ${what}`);
  });
});

it("ids of another width are told although the vocabulary is as small as what they are read as", async () => {
  const ids = Array.from({ length: 400 }, (_, index) => (index * 7) % 10);
  expect(await read(bytesOf(Uint32Array.from(ids)), { vocabSize: 10 })).toBe("not_token_ids: 32-bit ids");
  expect(await read(bytesOf(BigInt64Array.from(ids, BigInt)), { vocabSize: 10 })).toBe("not_token_ids: 64-bit ids");
  expect(await read(bytesOf(Uint16Array.from(ids)), { vocabSize: 10 })).toEqual(ids);
});

it("an empty file is said to be empty", async () => {
  expect(await read(Buffer.alloc(0), { vocabSize: 10 })).toContain("the file is empty");
});

describe("sound ids are never taken for something else", () => {
  it.each(["bytes", "characters", "gpt2"] as const satisfies readonly TokenizerName[])("Moby Dick as %s", async (tokenizer) => {
    const text = await openDataset({ source: "moby-dick", tokenizer, validation: 0.1 }, folder, cache);
    const ids = [...idsIn(text.train), ...idsIn(text.validation)];
    const { vocabSize } = text;
    expect((await read(bytesOf(Uint16Array.from(ids)), { vocabSize })).length).toBe(ids.length);
    expect((await read(bytesOf(Uint32Array.from(ids)), { vocabSize, dtype: "uint32" })).length).toBe(ids.length);
  });

  it("streams of every size and vocabulary, and constant ones", async () => {
    for (const vocabSize of [2, 3, 16, 17, 32, 256, 1000, 8192, 50_257, 65_536])
      for (const count of [1, 5, 33, 70, 200, 5000, 40_000]) {
        const ids = zipf(count, vocabSize);
        expect(await read(bytesOf(Uint16Array.from(ids)), { vocabSize }), `${count} of ${vocabSize}`).toEqual(ids);
        expect(await read(bytesOf(Uint32Array.from(ids)), { vocabSize, dtype: "uint32" }), `${count} of ${vocabSize}`).toEqual(ids);
      }
    for (const id of [0, 7, 255, 50_000]) {
      const ids = Array.from({ length: 3000 }, () => id);
      expect(await read(bytesOf(Uint16Array.from(ids)), { vocabSize: 50_257 })).toEqual(ids);
    }
  });
});

describe("shards", () => {
  const shard = (name: string, ids: readonly number[]): void => writeFileSync(join(folder, name), bytesOf(Uint16Array.from(ids)));
  const open = (tokens: readonly string[], validationTokens?: readonly string[]): ReturnType<typeof openDataset> =>
    openDataset(
      { source: { tokens, vocabSize: 50_000, ...(validationTokens && { validationTokens }) }, tokenizer: "bytes", validation: 0.1 },
      folder,
      cache,
    );
  const part = (index: number): readonly number[] => Array.from({ length: 5000 }, (_, place) => 10_000 * index + (place % 7000));
  for (const index of [0, 1, 2]) shard(`shard-${index}.tok`, part(index));

  it("by glob or list are one run, in path order, of which the end of each is held out", async () => {
    const byGlob = await open(["shard-*.tok"]);
    const byList = await open(["shard-2.tok", "shard-0.tok", "shard-1.tok"]);
    expect(byList.hash).toBe(byGlob.hash);
    expect(idsIn(byGlob.train)).toEqual([0, 1, 2].flatMap((index) => part(index).slice(0, 4500)));
    expect(idsIn(byGlob.validation)).toEqual([0, 1, 2].flatMap((index) => part(index).slice(4500)));
  });

  it("may have others held out, which are none of them", async () => {
    shard("twin.tok", part(1));
    const { train, validation } = await open(["shard-[01].tok"], ["shard-2.tok"]);
    expect([train.count, idsIn(validation)]).toEqual([10_000, part(2)]);
    for (const held of ["shard-1.tok", "twin.tok"])
      await expect(open(["shard-[01].tok"], [held])).rejects.toMatchObject({ diagnostics: [{ code: "validation_is_trained_on" }] });
  });

  it("are told of all at once when they are missing or wrong", async () => {
    writeFileSync(join(folder, "odd.tok"), Buffer.alloc(5));
    await expect(open(["none-*.tok", "odd.tok", "shard-0.tok"])).rejects.toMatchObject({ diagnostics: [{ code: "no_files" }] });
    await expect(open(["odd.tok", "shard-0.tok"], ["nothing.tok"])).rejects.toMatchObject({
      diagnostics: [{ code: "token_file" }, { code: "no_files" }],
    });
  });
});
