/** How two specs differ, key by key, and which of the differences only add to a run. */
import type { CompleteSpec } from "./complete.ts";

/** One key that differs between two specs. */
export interface SpecDifference {
  /** Dotted path of the key. */
  readonly path: string;
  readonly before: string;
  readonly after: string;
  /** Whether a run may take it in: it adds trials and changes none that were planned. */
  readonly extending: boolean;
}

function leaves(value: unknown, path: string): readonly (readonly [string, unknown])[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [[path, value]];
  return Object.entries(value).flatMap(([key, part]) => leaves(part, path === "" ? key : `${path}.${key}`));
}

/** Keys that ask for more of the same when they grow. */
const growing: ReadonlySet<string> = new Set(["search.trials", "search.confirm.top", "search.confirm.seeds", "search.confirm.most_seeds"]);

const show = (value: unknown): string => (value === undefined ? "nothing" : JSON.stringify(value));

/** Every key that differs between two complete specs. */
export function specDifferences(before: CompleteSpec, after: CompleteSpec): readonly SpecDifference[] {
  const [old, now] = [new Map(leaves(before, "")), new Map(leaves(after, ""))];
  return [...new Set([...old.keys(), ...now.keys()])].flatMap((path) => {
    const [from, to] = [old.get(path), now.get(path)];
    if (JSON.stringify(from) === JSON.stringify(to)) return [];
    const extending = growing.has(path) && before.search.method !== "grid" && Number(to) > Number(from);
    return [{ path, before: show(from), after: show(to), extending }];
  });
}
