/**
 * Text as tokens in the cache: tokenized once, a piece at a time, and kept by content with
 * the held-out tokens behind all others, so that a corpus of many files is two runs of one.
 */
import { randomUUID } from "node:crypto";
import { closeSync, openSync, readSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../errors.ts";
import type { CheckedFile } from "./checked-file.ts";
import type { Corpus } from "./corpus.ts";
import { checkFile, digestOf, recall, remember, type Known } from "./remembered.ts";
import { splitFiles, splitRule } from "./split.ts";
import { openEncoder, type Encoder, type TokenizerName } from "./tokenizer.ts";
import { makeFolder } from "../folders.ts";

/** A corpus as tokens in the cache. */
export interface Tokenized {
  readonly file: CheckedFile;
  /** sha256 of all tokens, in hex. */
  readonly sha256: string;
  /** How many come first, to train on; the others are held out. */
  readonly train: number;
  readonly vocabSize: number;
  readonly alphabet?: string | undefined;
}

const memorySchema = z.strictObject({
  vocabSize: z.int().positive(),
  count: z.int().nonnegative(),
  train: z.int().nonnegative(),
  sha256: z.string(),
  /** Characters by id, for the tokenizer that finds them in the text. */
  alphabet: z.string().optional(),
});

const bytesPerToken = 2;
const mostIds = 65536;

/** Tokenizes a corpus into the cache, or finds it there; `validation` of the tokens are held out. */
export async function tokenizedCorpus(
  { identity, files }: Corpus,
  tokenizer: TokenizerName,
  validation: number,
  cache: string,
): Promise<Tokenized> {
  const rule = files.length > 1 ? `${splitRule} ${validation}` : "";
  const stem = join(cache, digestOf(`3\n${tokenizer}\n${identity}\n${rule}`)); // 3: the cache's format
  const path = `${stem}.bin`;
  const trainOf = (count: number, first: number): number => (files.length > 1 ? first : count - Math.floor(count * validation));
  const memory = recall(`${stem}.json`, memorySchema);
  if (memory !== undefined && statSync(path, { throwIfNoEntry: false })?.size === memory.count * bytesPerToken) {
    const { file, sha256 } = checkTokens(path, memory.count, cache);
    if (sha256 === memory.sha256) return { ...memory, file, train: trainOf(memory.count, memory.train) };
  }
  const encoder = await openEncoder(tokenizer, files);
  const { vocabSize, alphabet } = encoder;
  if (vocabSize > mostIds)
    throw new UserError({
      code: "vocabulary_too_large",
      path: "data.tokenizer",
      message: `${tokenizer} finds ${vocabSize} distinct tokens; at most ${mostIds} are supported`,
      hint: "use tokenizer: bytes",
    });
  makeFolder(cache);
  const { count, first } = writeTokens(path, encoder, files, validation);
  const { file, sha256 } = checkTokens(path, count, cache);
  const made = { vocabSize, count, train: first, sha256, ...(alphabet !== undefined && { alphabet }) };
  remember(`${stem}.json`, JSON.stringify(made satisfies z.infer<typeof memorySchema>));
  return { ...made, file, train: trainOf(count, first) };
}

const checkTokens = (path: string, count: number, cache: string): Known =>
  checkFile(path, "cache", () => ({ path, bytesPerToken, byteOffset: 0, count }), cache);

/** Writes all files' tokens, those to train on first; gives how many there are, and how many of them come first. */
function writeTokens(
  path: string,
  encoder: Encoder,
  files: Corpus["files"],
  validation: number,
): { readonly count: number; readonly first: number } {
  const temporary = `${path}.${randomUUID()}.tmp`;
  const ordered = `${temporary}.ordered.tmp`;
  try {
    const counts = write(temporary, (out) =>
      files.map((file) => {
        let count = 0;
        for (const ids of encoder.encode(file)) {
          writeAll(out, new Uint16Array(ids));
          count += ids.length;
        }
        return count;
      }),
    );
    const parts = splitFiles(counts, validation);
    if (parts.length > 1) {
      let begin = 0;
      const ranges = parts.map(({ train, heldOut }) => {
        const range = { train: [begin, train], heldOut: [begin + train, heldOut] } as const;
        begin += train + heldOut;
        return range;
      });
      write(ordered, (out) => {
        for (const { train } of ranges) copyTokens(temporary, out, ...train);
        for (const { heldOut } of ranges) copyTokens(temporary, out, ...heldOut);
      });
    }
    renameSync(parts.length > 1 ? ordered : temporary, path);
    const total = (key: "train" | "heldOut"): number => parts.reduce((sum, part) => sum + part[key], 0);
    return { count: total("train") + total("heldOut"), first: total("train") };
  } finally {
    rmSync(temporary, { force: true });
    rmSync(ordered, { force: true });
  }
}

function write<T>(path: string, body: (descriptor: number) => T): T {
  const descriptor = openSync(path, "w");
  try {
    return body(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Writes all of some bytes: one call may write less than it was given. */
function writeAll(descriptor: number, bytes: Uint16Array | Buffer): void {
  const all = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let done = 0; done < all.length;) done += writeSync(descriptor, all, done);
}

const copiedBytes = 4 * 2 ** 20;

/** Copies `count` tokens from token `start` on. */
function copyTokens(from: string, out: number, start: number, count: number): void {
  const descriptor = openSync(from, "r");
  try {
    const buffer = Buffer.alloc(copiedBytes);
    for (let done = 0; done < count * bytesPerToken;) {
      const got = readSync(descriptor, buffer, 0, Math.min(buffer.length, count * bytesPerToken - done), start * bytesPerToken + done);
      if (got === 0) throw new Error("copyTokens: the file is too short");
      writeAll(out, buffer.subarray(0, got));
      done += got;
    }
  } finally {
    closeSync(descriptor);
  }
}
