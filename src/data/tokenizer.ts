/**
 * Text → token ids, a piece at a time and with the ids of the whole. Bytes and characters
 * keep a proxy's vocabulary small (at width 64 a 50k vocabulary would be almost the whole
 * model); `gpt2` is r50k.
 */
import { UserError } from "../errors.ts";
import type { TextFile } from "./corpus.ts";

/** The tokenizers by the names that specs have. */
export const tokenizers = ["bytes", "characters", "gpt2"] as const;
/** A tokenizer by the name that specs have for it. */
export type TokenizerName = (typeof tokenizers)[number];

/** What makes tokens of text. */
export interface Encoder {
  readonly vocabSize: number;
  /** Characters by id, when they were found in the text. */
  readonly alphabet?: string;
  /** Ids of a file, below `vocabSize`; throws a UserError that says where it is no UTF-8. */
  readonly encode: (file: TextFile) => Iterable<ArrayLike<number>>;
}

const encoders: { readonly [T in TokenizerName]: (files: readonly TextFile[]) => Promise<Encoder> } = {
  bytes: () => Promise.resolve({ vocabSize: 256, encode: ({ pieces }) => pieces() }),
  characters: (files) => {
    const found = new Set<string>();
    for (const file of files) for (const text of decoded(file)) for (const character of text) found.add(character);
    const alphabet = [...found].sort();
    const idOf = new Map(alphabet.map((character, id) => [character, id]));
    return Promise.resolve({
      vocabSize: alphabet.length,
      alphabet: alphabet.join(""),
      *encode(file) {
        for (const text of decoded(file)) yield Array.from(text, (character) => idOf.get(character) as number);
      },
    });
  },
  gpt2: async () => {
    const { encode, vocabularySize } = await import("gpt-tokenizer/encoding/r50k_base");
    return {
      vocabSize: vocabularySize,
      *encode(file) {
        // Text that looks like a special token is text.
        for (const text of wholeWords(file)) yield encode(text, { disallowedSpecial: new Set() });
      },
    };
  },
};

/** What turns the text of some files into ids; it may have to read all of them first. */
export function openEncoder(tokenizer: TokenizerName, files: readonly TextFile[]): Promise<Encoder> {
  return encoders[tokenizer](files);
}

const byteOrderMark = "\uFEFF";

/** A file's text without its byte order mark, in pieces that hold whole characters. */
function* decoded(file: TextFile): Generator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let rest = Buffer.alloc(0);
  let position = 0;
  for (const piece of file.pieces()) {
    const bytes = Buffer.concat([rest, piece]);
    const whole = bytes.subarray(0, bytes.length - unfinished(bytes));
    rest = bytes.subarray(whole.length);
    const text = decode(decoder, whole, file, position);
    yield position === 0 && text.startsWith(byteOrderMark) ? text.slice(1) : text;
    position += whole.length;
  }
  if (rest.length > 0) yield decode(decoder, rest, file, position);
}

/** How many bytes at the end begin a character that goes on after them. */
function unfinished(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back];
    if (byte < 0x80) return 0;
    if (byte < 0xc0) continue;
    const length = byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
    return length > back ? back : 0;
  }
  return 0;
}

function decode(decoder: InstanceType<typeof TextDecoder>, bytes: Buffer, { name }: TextFile, position: number): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new UserError({
      code: "not_utf8",
      path: "data.tokenizer",
      message: `${name} is not UTF-8 at byte ${position + soundBytes(bytes)}, and this tokenizer needs that`,
      hint: "convert the file, or use tokenizer: bytes",
    });
  }
}

/** Bytes before the first character that is no UTF-8. */
function soundBytes(bytes: Buffer): number {
  const isSound = (length: number): boolean => {
    try {
      // As a stream, so that a character may be cut off.
      new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, length), { stream: true });
      return true;
    } catch {
      return false;
    }
  };
  let [low, high] = [0, bytes.length];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (isSound(middle)) low = middle;
    else high = middle - 1;
  }
  return low - unfinished(bytes.subarray(0, low));
}

/** A space may be one token with what follows it, and an apostrophe with the letters; what ends at these two never goes on. */
const wordEnds = /\S(?=\s)|\p{L}(?=\P{L})/gu;
/** Code units at the end of a text in which a place to cut it is looked for first. */
const searched = 4096;
/** Beyond this, a stretch with nothing that ends a word is no text that merges can be found for in any time. */
const longestWord = 2 ** 20;

/**
 * A file's text, cut only where the pattern that splits it into words does so whatever lies on either side: no
 * word of r50k holds a space after something else, or anything but letters after a letter, and none looks further
 * back or ahead than that.
 */
function* wholeWords(file: TextFile): Generator<string> {
  let text = "";
  for (const more of decoded(file)) {
    text += more;
    const cut = lastCut(text);
    if (cut === 0 && text.length > longestWord)
      throw new UserError({
        code: "endless_word",
        path: "data.source.files",
        message: `${file.name} has more than ${longestWord} characters without the end of a word, which gpt2's tokenizer cannot take`,
        hint: "is it text? Break its lines, or use tokenizer: characters",
      });
    if (cut > 0) yield text.slice(0, cut);
    text = text.slice(cut);
  }
  if (text !== "") yield text;
}

/** The last place at which a text may be cut; 0 when there is none. */
function lastCut(text: string): number {
  for (const begin of [Math.max(0, text.length - searched), 0]) {
    const last = [...text.slice(begin).matchAll(wordEnds)].at(-1);
    if (last !== undefined) return begin + last.index + last[0].length;
  }
  return 0;
}
