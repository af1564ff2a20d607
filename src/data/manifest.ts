/**
 * Which files a dataset was made of, remembered by its hash: so that data that is not what a
 * run was begun with is told of by the names of the files that changed.
 */
import { join } from "node:path";
import { z } from "zod";
import { option, UserError } from "../errors.ts";
import { digestOf, recall, remember } from "./remembered.ts";

/** A file that a dataset was made of. */
export interface Source {
  readonly path: string;
  /** sha256 of the text's or the ids' bytes, in hex. */
  readonly sha256: string;
}

/** A dataset, as far as its identity goes. */
export interface Identified {
  /** sha256 over both runs' ids, and how they were split: the identity of the data in results. */
  readonly hash: string;
  readonly sources: readonly Source[];
  /** Folder in which it is remembered. */
  readonly cache: string;
}

const manifestSchema = z.array(z.strictObject({ path: z.string(), sha256: z.string() }));
const pathOf = (hash: string, cache: string): string => join(cache, `${digestOf(`manifest 1\n${hash}`)}.json`);

/** Remembers which files a dataset was made of. */
export function rememberSources({ hash, sources, cache }: Identified): void {
  const path = pathOf(hash, cache);
  const known = recall(path, manifestSchema);
  if (known === undefined || JSON.stringify(known) !== JSON.stringify(sources)) remember(path, JSON.stringify(sources));
}

/** Most changed files that are named. */
const mostNamed = 5;

/** Refuses a dataset that is not what `hash` is of (kind disagreement), naming the files that changed; `what` is what was trained on it. */
export function refuseChangedData(now: Identified, hash: string, what: string): void {
  if (now.hash === hash) return;
  const changes = changesSince(recall(pathOf(hash, now.cache), manifestSchema), now.sources);
  const [only] = now.sources;
  const named =
    changes.length > 0
      ? `: ${changes.slice(0, mostNamed).join(", ")}${changes.length > mostNamed ? ` and ${changes.length - mostNamed} more` : ""}`
      : now.sources.length === 1
        ? ` (${only.path})`
        : "";
  throw new UserError(
    {
      code: "data_changed",
      message: `the data is not what ${what} has been trained on, or other tokens of it are held out${named}`,
      hint: `restore it, or give another folder with ${option("out")}`,
    },
    "disagreement",
  );
}

function changesSince(before: readonly Source[] | undefined, now: readonly Source[]): readonly string[] {
  if (before === undefined) return [];
  const hashes = new Map(before.map(({ path, sha256 }) => [path, sha256]));
  const paths = new Set(now.map(({ path }) => path));
  return [
    ...now.flatMap(({ path, sha256 }) => {
      const known = hashes.get(path);
      return known === undefined ? [`${path} is new`] : known === sha256 ? [] : [`${path} has changed`];
    }),
    ...before.flatMap(({ path }) => (paths.has(path) ? [] : [`${path} is gone`])),
  ];
}
