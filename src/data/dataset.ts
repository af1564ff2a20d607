/**
 * From a data section to two runs of tokens with a hash: text is tokenized once
 * and cached by content; token files are scanned once. The only writer is the cache.
 */
import { createHash, randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync, type Stats } from "node:fs";
import { join, resolve } from "node:path";
import { z } from "zod";
import { UserError, type Diagnostic } from "../errors.ts";
import { openBundled, openFiles, type BundledCorpus } from "./corpus.ts";
import { describeTokenFile, scanTokens, splitTokens, type TokenFile } from "./token-file.ts";
import { encodeCorpus, type TokenizerName } from "./tokenizer.ts";

export interface DataConfig {
  readonly source:
    | BundledCorpus
    | { readonly files: readonly string[] }
    | { readonly tokens: string; readonly validationTokens?: string; readonly vocabSize: number };
  readonly tokenizer: TokenizerName;
  /** Fraction of the tokens, at the end, that is held out when there is no separate file. */
  readonly validation: number;
}

export interface Dataset {
  readonly train: TokenFile;
  readonly validation: TokenFile;
  readonly vocabSize: number;
  /** Characters by id, when the tokenizer found them in the text. */
  readonly alphabet?: string;
  /** sha256 over both runs' ids: the identity of the data in results. */
  readonly hash: string;
}

/** What the cache remembers of a token file, keyed by whatever identifies its content. */
const rememberedSchema = z.object({
  vocabSize: z.int(),
  count: z.int(),
  sha256: z.string(),
  largestId: z.int(),
  /** Characters by id, for the tokenizer that finds them in the text. */
  alphabet: z.string().optional(),
});
type Remembered = z.infer<typeof rememberedSchema>;

const digest = (text: string): string => createHash("sha256").update(text).digest("hex");

function recall(path: string): Remembered | undefined {
  try {
    return rememberedSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return undefined; // absent or damaged: made again
  }
}

function remember(path: string, content: string | Uint8Array): void {
  const temporary = `${path}.${randomUUID()}.tmp`;
  writeFileSync(temporary, content);
  renameSync(temporary, path);
}

/** Tokenizes a corpus into the cache, or finds it there. */
async function cachedTokens(
  identity: string,
  bytes: () => Uint8Array,
  tokenizer: TokenizerName,
  cache: string,
): Promise<{ file: TokenFile; known: Remembered }> {
  const stem = join(cache, digest(`2\n${tokenizer}\n${identity}`)); // 2: the cache's format
  const path = `${stem}.bin`;
  const known = recall(`${stem}.json`);
  if (known !== undefined) {
    const file: TokenFile = { path, bytesPerToken: 2, byteOffset: 0, count: known.count };
    const intact = statSync(path, { throwIfNoEntry: false })?.size === known.count * 2 && scanTokens(file).sha256 === known.sha256;
    if (intact) return { file, known };
  }
  const { ids, vocabSize, alphabet } = await encodeCorpus(tokenizer, bytes());
  if (vocabSize > 65536)
    throw new UserError({
      code: "vocabulary_too_large",
      path: "data.tokenizer",
      message: `${tokenizer} finds ${vocabSize} distinct tokens; at most 65536 are supported`,
      hint: "use tokenizer: bytes",
    });
  mkdirSync(cache, { recursive: true });
  remember(path, new Uint8Array(Uint16Array.from(ids).buffer));
  const file: TokenFile = { path, bytesPerToken: 2, byteOffset: 0, count: ids.length };
  const made = { vocabSize, count: ids.length, ...scanTokens(file), ...(alphabet !== undefined && { alphabet }) };
  remember(`${stem}.json`, JSON.stringify(made));
  return { file, known: made };
}

/** Describes a token file; mistakes are reported at the spec's key. */
function tokenFileAt(path: string, key: string): TokenFile {
  try {
    return describeTokenFile(path);
  } catch (error) {
    if (error instanceof UserError) throw new UserError(error.diagnostics.map((each) => ({ ...each, path: key })));
    throw new UserError({ code: "unreadable_file", path: key, message: `${path}: ${(error as Error).message}` });
  }
}

/** What the system says of a file; nothing when there is none, or when its name cannot be one. */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

/** Describes a user's token file and checks every id against the vocabulary; the scan is remembered by size and time. */
function checkedTokens(path: string, key: string, vocabSize: number, cache: string): { file: TokenFile; known: Remembered } {
  const stat = statOf(path);
  if (!stat?.isFile())
    throw new UserError({ code: "no_files", path: key, message: `${path} is not a file`, hint: "paths are relative to the config file" });
  const file = tokenFileAt(path, key);
  const memory = join(cache, `${digest(`${path}\n${stat.size}\n${stat.mtimeMs}`)}.json`);
  let known = recall(memory);
  if (known === undefined) {
    known = { vocabSize, count: file.count, ...scanTokens(file) };
    mkdirSync(cache, { recursive: true });
    remember(memory, JSON.stringify(known));
  }
  if (known.largestId >= vocabSize) {
    throw new UserError({
      code: "id_beyond_vocabulary",
      path: key,
      message: `${path} has the token id ${known.largestId}, but vocab_size is ${vocabSize}`,
      hint: `ids run from 0 to vocab_size − 1: is it ${known.largestId + 1} or more?`,
    });
  }
  return { file, known };
}

/**
 * Opens the data of a spec; `directory` is where relative paths start, `cache` where tokens are kept.
 * Throws a UserError for missing, malformed or unsuitable files.
 */
export async function openDataset(config: DataConfig, directory: string, cache: string): Promise<Dataset> {
  const { source } = config;
  const split = (file: TokenFile): readonly [TokenFile, TokenFile] =>
    splitTokens(file, file.count - Math.floor(file.count * config.validation));
  if (typeof source === "object" && "tokens" in source) {
    const problems: Diagnostic[] = [];
    const open = (path: string, key: string): ReturnType<typeof checkedTokens> | undefined => {
      try {
        return checkedTokens(resolve(directory, path), `data.source.${key}`, source.vocabSize, cache);
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        problems.push(...error.diagnostics);
        return undefined;
      }
    };
    const main = open(source.tokens, "tokens");
    const held = source.validationTokens === undefined ? undefined : open(source.validationTokens, "validation_tokens");
    if (main === undefined || problems.length > 0) throw new UserError(problems);
    const [train, validation] = held ? [main.file, held.file] : split(main.file);
    return {
      train,
      validation,
      vocabSize: source.vocabSize,
      hash: digest([main.known.sha256, held?.known.sha256 ?? config.validation].join("\n")),
    };
  }
  const corpus = typeof source === "string" ? openBundled(source) : await openFiles(source.files, directory);
  const { file, known } = await cachedTokens(corpus.identity, corpus.bytes, config.tokenizer, cache);
  const [train, validation] = split(file);
  return {
    train,
    validation,
    vocabSize: known.vocabSize,
    ...(known.alphabet !== undefined && { alphabet: known.alphabet }),
    hash: digest([known.sha256, config.validation].join("\n")),
  };
}

/** What is wrong with a dataset for windows of `context` tokens. */
export function contextProblems(dataset: Dataset, context: number): readonly Diagnostic[] {
  return (["validation", "train"] as const).flatMap((part) =>
    dataset[part].count > context
      ? []
      : [
          {
            code: `context_longer_than_${part === "train" ? "training" : part}_text`,
            path: "model.context",
            message: `the context of ${context} tokens needs ${context + 1}, but the ${part === "train" ? "training" : part} text has ${dataset[part].count}`,
            hint: dataset[part].count > 1 ? "lower model.context, or give more text" : "give more text",
          },
        ],
  );
}
