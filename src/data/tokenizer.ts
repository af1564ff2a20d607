/**
 * Text → token ids. Bytes and characters keep a proxy's vocabulary small (at
 * width 64 a 50k vocabulary would be almost the whole model); `gpt2` is r50k.
 */
import { UserError } from "../errors.ts";

export const tokenizers = ["bytes", "characters", "gpt2"] as const;
export type TokenizerName = (typeof tokenizers)[number];

export interface Encoded {
  readonly ids: ArrayLike<number>;
  readonly vocabSize: number;
  /** Characters by id, when they were found in the text. */
  readonly alphabet?: string;
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new UserError({
      code: "not_utf8",
      path: "data.tokenizer",
      message: "the text is not UTF-8, which this tokenizer needs",
      hint: "convert the files, or use tokenizer: bytes",
    });
  }
}

const encoders: { readonly [T in TokenizerName]: (bytes: Uint8Array) => Promise<Encoded> } = {
  bytes: (bytes) => Promise.resolve({ ids: bytes, vocabSize: 256 }),
  characters: (bytes) => {
    const text = decode(bytes);
    const alphabet = [...new Set(text)].sort();
    const idOf = new Map(alphabet.map((character, id) => [character, id]));
    const ids = Array.from(text, (character) => idOf.get(character) as number);
    return Promise.resolve({ ids, vocabSize: alphabet.length, alphabet: alphabet.join("") });
  },
  gpt2: async (bytes) => {
    const { encode, vocabularySize } = await import("gpt-tokenizer/encoding/r50k_base");
    // Text that looks like a special token is text.
    return { ids: encode(decode(bytes), { disallowedSpecial: new Set() }), vocabSize: vocabularySize };
  },
};

/** Token ids of a whole corpus, given as UTF-8; ids are below `vocabSize`. */
export function encodeCorpus(tokenizer: TokenizerName, bytes: Uint8Array): Promise<Encoded> {
  return encoders[tokenizer](bytes);
}
