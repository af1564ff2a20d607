/**
 * YAML text with positions: parses a spec file and finds the position of any key or
 * value by its path. Knows no schema.
 */
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type Document,
  type Node,
  type Pair,
  type YAMLMap,
} from "yaml";
import type { Diagnostic, Position } from "../errors.ts";

/** Keys and indices from the top of a spec to one of its values. */
export type Path = readonly (string | number)[];

/** A spec file as it was parsed, and where in it what stands. */
export interface SpecDocument {
  /** The file's content as plain data; undefined when its syntax is broken beyond use. */
  readonly data: unknown;
  /** Syntax errors and duplicate keys. */
  readonly problems: readonly Diagnostic[];
  /** Position of the value at `path`, or of the key itself; that of the nearest thing around it when there is none. */
  positionOf(path: Path, part?: "key" | "value"): Position;
}

const offsetOf = (node: unknown): number | undefined => (node as Node | null | undefined)?.range?.[0];

/** Parses a spec file's text; `file` is its name in positions. */
export function parseSpecDocument(text: string, file: string): SpecDocument {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false, uniqueKeys: false, merge: true, logLevel: "error" });
  const lines = text.split(/\r?\n/);
  const positionAt = (offset: number): Position => {
    const { line, col } = lineCounter.linePos(offset);
    return { file, line: Math.max(line, 1), column: Math.max(col, 1), excerpt: lines[line - 1] ?? "" };
  };
  const problems = document.errors.map(({ code, message, pos }): Diagnostic => ({
    ...(code === "MULTIPLE_DOCS"
      ? {
          code: "several_documents",
          message: "another document begins here",
          hint: "a spec is one document: remove the line `---` with what is above or below it, or give each a file of its own",
        }
      : {
          code: "yaml_syntax",
          message: message.startsWith("Maximum call stack") ? "it is nested too deeply" : message.replace(/\n[^]*/, ""),
        }),
    position: positionAt(pos[0]),
  }));
  for (const { code, message, pos } of document.warnings)
    if (code === "TAG_RESOLVE_FAILED")
      problems.push({
        code: "yaml_syntax",
        message: `${message.replace(/^Unresolved tag: /, "")} is a tag that means nothing here`,
        hint: "remove it, and write the value itself",
        position: positionAt(pos[0]),
      });
  if (problems.length === 0)
    problems.push(...mergeProblems(document).map(({ offset, ...rest }) => ({ ...rest, position: positionAt(offset) })));
  let data: unknown;
  if (problems.length === 0) {
    try {
      data = document.toJS();
      for (const { offset, ...problem } of keyProblems(document)) problems.push({ ...problem, position: positionAt(offset) });
    } catch (error) {
      // Aliases are resolved only now: unknown ones, and too many of them.
      const { message } = error as Error;
      const many = message.startsWith("Excessive alias count");
      problems.push(
        many
          ? { code: "too_many_aliases", message: "its aliases repeat too much", hint: "write the values out", position: positionAt(0) }
          : { code: "yaml_syntax", message, position: positionAt(0) },
      );
    }
  }

  const positionOf = (path: Path, part: "key" | "value" = "value"): Position => {
    let node: unknown = document.contents;
    let offset: number | undefined;
    for (const [depth, segment] of path.entries()) {
      const wantsKey = part === "key" && depth === path.length - 1;
      node = target(document, node);
      if (isMap(node)) {
        const pair = pairOf(document, node, segment);
        if (pair === undefined) break;
        const value = offsetOf(pair.value);
        offset = (wantsKey || value === undefined ? offsetOf(pair.key) : value) ?? offset;
        // A missing inner key is reported at the key of the mapping that lacks it.
        if (isMap(pair.value) && depth < path.length - 1) offset = offsetOf(pair.key) ?? offset;
        node = pair.value;
      } else if (isSeq(node) && typeof segment === "number") {
        node = node.items[segment];
        offset = offsetOf(node) ?? offset;
      } else break;
    }
    return offset === undefined ? { ...positionAt(offsetOf(document.contents) ?? 0), excerpt: "" } : positionAt(offset);
  };
  return { data, problems, positionOf };
}

/** What an alias stands for; any other node itself. */
const target = (document: Document, node: unknown): unknown => (isAlias(node) ? node.resolve(document) : node);

const isMerge = ({ key }: Pair): boolean => isScalar(key) && (key.value === "<<" || typeof key.value === "symbol");

/** The mappings that a `<<` takes over, the first of them first. */
function mergedInto(document: Document, { value }: Pair): readonly unknown[] {
  const source = target(document, value);
  return isSeq(source) ? source.items.map((item) => target(document, item)) : [source];
}

/** The pair of a key in a mapping, or in what is merged into it. */
function pairOf(document: Document, map: YAMLMap, segment: string | number): Pair | undefined {
  const own = map.items.find(({ key }) => isScalar(key) && (key.value === segment || String(key.value) === segment));
  if (own !== undefined) return own;
  for (const pair of map.items.filter(isMerge))
    for (const source of mergedInto(document, pair)) {
      const found = isMap(source) ? pairOf(document, source, segment) : undefined;
      if (found !== undefined) return found;
    }
  return undefined;
}

/** The most mappings that all `<<` of a file may take over, those within those included: each is copied. */
const mostMerges = 1000;

/** Merges of what is no mapping, of a mapping into itself, or of too many: the parser's limit on aliases does not count them. */
function mergeProblems(document: Document): readonly (Omit<Diagnostic, "position"> & { readonly offset: number })[] {
  const problems: (Omit<Diagnostic, "position"> & { offset: number })[] = [];
  const sizes = new Map<YAMLMap, number>();
  const sizeOf = (map: YAMLMap): number => {
    const known = sizes.get(map);
    if (known !== undefined) return known;
    sizes.set(map, Infinity); // until it is known, so that one that holds itself has no end
    const size = map.items
      .filter(isMerge)
      .flatMap((pair) => mergedInto(document, pair))
      .reduce<number>((sum, source) => sum + (isMap(source) ? 1 + sizeOf(source) : 0), 0);
    sizes.set(map, size);
    return size;
  };
  let total = 0;
  visit(document, {
    Map: (_, map) => {
      for (const pair of map.items.filter(isMerge)) {
        const offset = offsetOf(pair.key) ?? 0;
        if (!mergedInto(document, pair).every(isMap))
          problems.push({ code: "yaml_syntax", message: "<< takes over mappings only", hint: "<<: *name, or <<: [*one, *other]", offset });
        const before = total;
        total += sizeOf(map);
        if (before <= mostMerges && total > mostMerges)
          problems.push({ code: "too_many_aliases", message: "its merges (<<) repeat too much", hint: "write the values out", offset });
      }
    },
  });
  return problems;
}

/**
 * Keys that a mapping has already (the parser's own search for them takes the square of their number), and the one
 * that a schema never gets to see.
 */
function keyProblems(document: Document): readonly (Omit<Diagnostic, "position"> & { readonly offset: number })[] {
  const problems: (Omit<Diagnostic, "position"> & { offset: number })[] = [];
  visit(document, {
    Map: (_, { items }) => {
      const seen = new Set<unknown>();
      for (const { key } of items) {
        if (!isScalar(key)) continue;
        const [name, offset] = [String(key.value), offsetOf(key) ?? 0];
        if (seen.has(key.value))
          problems.push({ code: "duplicate_key", message: `${name} is given twice`, hint: "keep one of them", offset });
        if (name === "__proto__") problems.push({ code: "unknown_key", message: `unknown key ${name}`, offset });
        seen.add(key.value);
      }
    },
  });
  return problems;
}
