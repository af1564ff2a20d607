/**
 * From a data section to two runs of tokens with a hash: text is tokenized once and cached
 * by content, token files are read where they are. What is wrong is told of all at once.
 */
import { UserError, type Diagnostic } from "../errors.ts";
import { openBundled, openFiles, type BundledCorpus } from "./corpus.ts";
import { filesOf } from "./globs.ts";
import { rememberSources, type Identified, type Source } from "./manifest.ts";
import { checkFile, digestOf, type Known } from "./remembered.ts";
import { splitFiles, splitRule } from "./split.ts";
import { describeTokenFile, type TokenType } from "./token-file.ts";
import { runOf, type Piece, type TokenRun } from "./token-run.ts";
import { tokenizedCorpus } from "./tokenized.ts";
import type { TokenizerName } from "./tokenizer.ts";

/** Token files by name or glob, and what is known of their ids. */
export interface TokenSource {
  readonly tokens: readonly string[];
  readonly validationTokens?: readonly string[];
  readonly vocabSize: number;
  /** How ids are stored in files that do not say it themselves. */
  readonly dtype?: TokenType;
}

/** What a spec says of its data. */
export interface DataConfig {
  readonly source: BundledCorpus | { readonly files: readonly string[] } | TokenSource;
  readonly tokenizer: TokenizerName;
  /** Fraction of the tokens, at the end of each file, that is held out when there are no separate files. */
  readonly validation: number;
}

/** Tokens to train on and held-out ones, with all that is known of them. */
export interface Dataset extends Identified {
  readonly train: TokenRun;
  readonly validation: TokenRun;
  readonly vocabSize: number;
  /** Characters by id, when the tokenizer found them in the text. */
  readonly alphabet?: string;
}

/**
 * Opens the data of a spec; `directory` is where relative paths start, `cache` where tokens are kept.
 * Throws a UserError for missing, malformed or unsuitable files.
 */
export async function openDataset(config: DataConfig, directory: string, cache: string): Promise<Dataset> {
  const { source } = config;
  const dataset =
    typeof source === "object" && "tokens" in source
      ? await openTokenFiles(source, config.validation, directory, cache)
      : await openText(source, config, directory, cache);
  rememberSources(dataset);
  return dataset;
}

async function openText(
  source: BundledCorpus | { readonly files: readonly string[] },
  { tokenizer, validation }: DataConfig,
  directory: string,
  cache: string,
): Promise<Dataset> {
  const corpus = typeof source === "string" ? openBundled(source) : await openFiles(source.files, directory);
  const { file, sha256, train, vocabSize, alphabet } = await tokenizedCorpus(corpus, tokenizer, validation, cache);
  return {
    train: runOf([{ file, start: 0, count: train }], vocabSize),
    validation: runOf([{ file, start: train, count: file.count - train }], vocabSize),
    vocabSize,
    ...(alphabet !== undefined && { alphabet }),
    hash: digestOf([sha256, validation, ...(corpus.files.length > 1 ? [splitRule] : [])].join("\n")),
    sources: corpus.files.map(({ name, sha256: hash }) => ({ path: name, sha256: hash })),
    cache,
  };
}

/** How many ids 16 bits can tell apart. */
const mostShortIds = 65536;

async function openTokenFiles(source: TokenSource, validation: number, directory: string, cache: string): Promise<Dataset> {
  const { tokens, validationTokens, vocabSize } = source;
  const problems: Diagnostic[] = [];
  /** What `open` gives, or nothing when it is to be told of along with what else is wrong. */
  const attempt = async <T>(open: () => T | Promise<T>): Promise<T | undefined> => {
    try {
      return await open();
    } catch (error) {
      if (!(error instanceof UserError) || error.kind !== "usage") throw error;
      problems.push(...error.diagnostics);
      return undefined;
    }
  };
  const openAll = async (patterns: readonly string[], key: string): Promise<readonly Known[]> => {
    const known: Known[] = [];
    for (const path of (await attempt(() => filesOf(patterns, directory, key))) ?? []) {
      const found = await attempt(() => checkedTokens(path, key, source, cache));
      if (found !== undefined) known.push(found);
    }
    return known;
  };
  const main = await openAll(tokens, "data.source.tokens");
  const held = validationTokens && (await openAll(validationTokens, "data.source.validation_tokens"));
  if (problems.length === 0 && held !== undefined) problems.push(...sharedFiles(main, held));
  if (problems.length > 0) throw new UserError(problems);
  const shas = main.map(({ sha256 }) => sha256);
  const identity =
    held !== undefined
      ? [...shas, ...(main.length + held.length > 2 ? [`${main.length} files, then`] : []), ...held.map(({ sha256 }) => sha256)]
      : [...shas, validation, ...(main.length > 1 ? [splitRule] : [])];
  const [train, rest] = held === undefined ? splitTokens(main, validation) : [main.flatMap(wholeOf), held.flatMap(wholeOf)];
  return {
    train: runOf(train, vocabSize),
    validation: runOf(rest, vocabSize),
    vocabSize,
    hash: digestOf(identity.join("\n")),
    sources: [...main, ...(held ?? [])].map(({ file, sha256 }): Source => ({ path: file.path, sha256 })),
    cache,
  };
}

const wholeOf = ({ file }: Known): readonly Piece[] => (file.count === 0 ? [] : [{ file, start: 0, count: file.count }]);

/** Describes a user's token file and checks every id against the vocabulary; mistakes are reported at the spec's key. */
function checkedTokens(path: string, key: string, { vocabSize, dtype }: TokenSource, cache: string): Known {
  const refuse = (code: string, message: string, hint: string): UserError => new UserError({ code, path: key, message, hint });
  let known: Known;
  try {
    known = checkFile(path, dtype ?? "", (descriptor) => describeTokenFile(path, descriptor, dtype), cache);
  } catch (error) {
    if (error instanceof UserError)
      throw new UserError(
        error.diagnostics.map((each) => ({ ...each, path: key })),
        error.kind,
      );
    throw refuse("unreadable_file", `${path}: ${(error as Error).message}`, "expected a file of token ids");
  }
  const { file, largestId } = known;
  if (vocabSize > mostShortIds && file.bytesPerToken === 2)
    throw refuse(
      "vocabulary_beyond_dtype",
      `${path} has 16 bits for an id, which cannot number the ${vocabSize} tokens of vocab_size`,
      "if its ids have 32 bits, state data.source.dtype: uint32; if they were cut off at 65,536, they are lost: make the file again",
    );
  if (largestId >= vocabSize)
    throw refuse(
      "id_beyond_vocabulary",
      `${path} has the token id ${largestId}, but vocab_size is ${vocabSize}`,
      largestId >= 2 ** 31
        ? "ids are not negative, and below 2^31: is this a file of another kind, or another data.source.dtype?"
        : `ids run from 0 to vocab_size − 1: is it ${largestId + 1} or more, or is this a file of another kind, byte order or data.source.dtype?`,
    );
  return known;
}

/** Refuses files that are both trained on and held out. */
function sharedFiles(main: readonly Known[], held: readonly Known[]): readonly Diagnostic[] {
  const trained = new Map(main.map(({ sha256, file }) => [sha256, file.path]));
  return held.flatMap(({ sha256, file }) => {
    const twin = trained.get(sha256);
    if (twin === undefined) return [];
    return [
      {
        code: "validation_is_trained_on",
        path: "data.source.validation_tokens",
        message: twin === file.path ? `${file.path} is among \`tokens\` too` : `${file.path} has the same ids as ${twin}`,
        hint: "hold out other tokens, or remove validation_tokens: then the end of each file of `tokens` is held out",
      },
    ];
  });
}

/** Splits the tokens of some files into those to train on and those held out. */
function splitTokens(files: readonly Known[], fraction: number): readonly [train: readonly Piece[], heldOut: readonly Piece[]] {
  const all = files.flatMap(wholeOf);
  const [train, heldOut]: [Piece[], Piece[]] = [[], []];
  let [index, start] = [0, 0];
  /** Moves the next `count` tokens. */
  const take = (to: Piece[], count: number): void => {
    for (let left = count; left > 0;) {
      const { file, count: size } = all[index];
      const taken = Math.min(left, size - start);
      to.push({ file, start, count: taken });
      left -= taken;
      start += taken;
      if (start === size) [index, start] = [index + 1, 0];
    }
  };
  for (const part of splitFiles(
    all.map(({ count }) => count),
    fraction,
  )) {
    take(train, part.train);
    take(heldOut, part.heldOut);
  }
  return [train, heldOut];
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
