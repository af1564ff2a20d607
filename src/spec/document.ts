/**
 * YAML text with positions: parses a spec file and finds the position of any key or
 * value by its path. Knows no schema.
 */
import { isMap, isScalar, isSeq, LineCounter, parseDocument, visit, type Document, type Node, type Pair } from "yaml";
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
  const document = parseDocument(text, { lineCounter, prettyErrors: false, uniqueKeys: false, logLevel: "error" });
  const lines = text.split(/\r?\n/);
  const positionAt = (offset: number): Position => {
    const { line, col } = lineCounter.linePos(offset);
    return { file, line: Math.max(line, 1), column: Math.max(col, 1), excerpt: lines[line - 1] ?? "" };
  };
  const problems = document.errors.map(({ message, pos }): Diagnostic => ({
    code: "yaml_syntax",
    message: message.startsWith("Maximum call stack") ? "it is nested too deeply" : message.replace(/\n[^]*/, ""),
    position: positionAt(pos[0]),
  }));
  let data: unknown;
  if (problems.length === 0) {
    try {
      data = document.toJS();
      for (const { offset, ...problem } of keyProblems(document)) problems.push({ ...problem, position: positionAt(offset) });
    } catch (error) {
      // Aliases are resolved only now: unknown ones, and too many of them.
      problems.push({ code: "yaml_syntax", message: (error as Error).message, position: positionAt(0) });
    }
  }

  const positionOf = (path: Path, part: "key" | "value" = "value"): Position => {
    let node: unknown = document.contents;
    let offset: number | undefined;
    for (const [depth, segment] of path.entries()) {
      const wantsKey = part === "key" && depth === path.length - 1;
      if (isMap(node)) {
        const pair: Pair | undefined = node.items.find(({ key }) => isScalar(key) && key.value === segment);
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
