/**
 * From schema issues to diagnostics a person can act on: what was expected, what
 * was found, the nearest key or value. Also salvages the valid part of a spec, so
 * that rules between keys are checked although something else is wrong.
 */
import { closest, distance } from "fastest-levenshtein";
import { z } from "zod";
import type { Diagnostic } from "../errors.ts";
import { isMapping } from "../json.ts";
import type { Path } from "./document.ts";
import { meaningAt, meaningHint, valueMeaning } from "./foreign-keys.ts";

type Issue = z.core.$ZodIssue;
/** A diagnostic before its path has become a position; `at` says whether the key or the value is wrong. */
export type Finding = Omit<Diagnostic, "path" | "position"> & { readonly path: Path; readonly at?: "key" | "value" };

/** The candidate nearest to what was written, when it is near enough to be a slip. */
export function nearest(written: string, candidates: readonly string[]): string | undefined {
  if (candidates.length === 0) return undefined;
  const candidate = closest(written, candidates);
  return distance(written, candidate) <= Math.max(2, Math.floor(written.length / 3)) ? candidate : undefined;
}

const hinted = (hint: string | undefined): { hint?: string } => (hint === undefined ? {} : { hint });

function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  let inner = schema;
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault) inner = inner.unwrap();
  return inner;
}

/** The value at a path of plain data; undefined where there is none. */
export function valueAt(data: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, segment) => (value as Record<string | number, unknown> | null | undefined)?.[segment], data);
}

function show(value: unknown): string {
  if (value === undefined || value === null) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "number") return String(value);
  if (typeof value === "object") return "a mapping";
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

const typeNames: Readonly<Record<string, string>> = {
  number: "a number",
  int: "an integer",
  string: "a string",
  boolean: "true or false",
  array: "a list",
  object: "a mapping",
};

/** What a schema accepts, in a few words. */
function expectation(schema: z.core.$ZodType): string {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodUnion) return [...new Set(inner.options.map(expectation))].join(", or ");
  if (inner instanceof z.ZodEnum) return inner.options.join(" | ");
  if (inner instanceof z.ZodLiteral) return [...inner.values].map(String).join(" | ");
  if (inner instanceof z.ZodObject)
    return `{${Object.entries(inner.shape as Record<string, z.core.$ZodType>)
      .filter(([, part]) => !(part instanceof z.ZodOptional))
      .map(([key]) => `${key}: …`)
      .join(", ")}}`;
  return typeNames[inner._zod.def.type] ?? inner._zod.def.type;
}

/** How many of the keys that were written an option knows. */
function knownKeys(option: z.core.$ZodType, value: unknown): number {
  const inner = unwrap(option);
  if (!(inner instanceof z.ZodObject) || typeof value !== "object" || value === null) return 0;
  return Object.keys(value).filter((key) => Object.hasOwn(inner.shape, key)).length;
}

/** The branch that does not know some keys, and the most of the others that were written. */
function branchWithout(keys: readonly string[], options: readonly z.core.$ZodType[], value: unknown): z.core.$ZodType {
  const fits = (option: z.core.$ZodType): number =>
    option instanceof z.ZodObject && !keys.some((key) => Object.hasOwn(option.shape, key)) ? knownKeys(option, value) : -1;
  return options.reduce((best, option) => (fits(option) > fits(best) ? option : best));
}

/** The branch of a union that the user most likely meant: the one with the fewest mistakes, and the most of the keys that were written. */
function likelyBranch(branches: readonly (readonly Issue[])[], options: readonly z.core.$ZodType[], value: unknown): number {
  // A branch of another type altogether is the least likely.
  const weight = (issue: Issue): number =>
    issue.code === "unrecognized_keys" ? 10 * issue.keys.length : issue.path.length === 0 ? 1000 : issue.path.length === 1 ? 10 : 1;
  const mistakes = (issues: readonly Issue[]): number => issues.reduce((sum, issue) => sum + weight(issue), 0);
  const counts = branches.map((issues, index) => mistakes(issues) - 25 * knownKeys(options[index], value));
  return counts.indexOf(Math.min(...counts));
}

/** Words that were true and false in YAML 1.1, and are words since. */
const truths: Readonly<Record<string, boolean>> = { yes: true, on: true, no: false, off: false };
function truthHint(value: unknown): string | undefined {
  const word = typeof value === "string" ? value.toLowerCase() : "";
  return Object.hasOwn(truths, word) ? `did you mean ${truths[word]}? YAML has no other words for it since 1.2` : undefined;
}

/** A word where a mapping is wanted that has such a name: `optimizer: muon`. */
function nameHint(value: unknown, schema: z.core.$ZodType | undefined): string | undefined {
  const named = schema instanceof z.ZodObject ? unwrap((schema.shape as Record<string, z.core.$ZodType>)["name"] ?? schema) : undefined;
  if (typeof value !== "string" || !(named instanceof z.ZodEnum)) return undefined;
  const names = named.options.map(String);
  const meant = valueMeaning("name", value, names) ?? nearest(value, names);
  return meant && `did you mean {name: ${meant}}?`;
}

function findingsOf(issue: Issue, schema: z.core.$ZodType, data: unknown, base: Path): readonly Finding[] {
  const path = [...base, ...(issue.path as Path)];
  const found = show(valueAt(data, path));
  switch (issue.code) {
    case "invalid_type": {
      if (valueAt(data, path) === undefined) return [{ code: "missing_key", path, message: `${String(path.at(-1))} is required` }];
      const value = valueAt(data, path);
      const hint =
        issue.expected === "boolean"
          ? truthHint(value)
          : issue.expected === "object"
            ? nameHint(value, schemaAt(schema, issue.path as Path))
            : undefined;
      return [
        { code: "wrong_type", path, message: `expected ${typeNames[issue.expected] ?? issue.expected}, found ${found}`, ...hinted(hint) },
      ];
    }
    case "unrecognized_keys": {
      const around = schemaAt(schema, issue.path as Path) ?? schema;
      // A union hands on the mistakes of the one branch that fits but for its keys.
      const owner = around instanceof z.ZodUnion ? branchWithout(issue.keys, around.options, valueAt(data, path)) : around;
      const known = owner instanceof z.ZodObject ? Object.keys(owner.shape) : [];
      return issue.keys.map((key) => {
        const meaning = meaningAt([...path, key]);
        const near = nearest(key, known);
        const isListed = key === "distribution" && ["value", "values"].some((each) => known.includes(each));
        const here = isListed ? "remove it: only a range has one" : meaning && meaningHint(meaning, [...path, key]);
        return {
          code: "unknown_key",
          path: [...path, key],
          at: "key",
          message: `unknown key ${key}`,
          ...hinted(here ?? (near ? `did you mean ${near}?` : known.length > 0 ? `known keys: ${known.join(", ")}` : undefined)),
        };
      });
    }
    case "invalid_value": {
      const allowed = issue.values.map(String);
      const written = String(valueAt(data, path));
      const near = valueMeaning(String(path.at(-1)), written, allowed) ?? nearest(written, allowed);
      return [
        {
          code: "wrong_value",
          path,
          message: `expected ${allowed.join(" | ")}, found ${found}`,
          ...hinted(near && `did you mean ${near}?`),
        },
      ];
    }
    case "too_small":
    case "too_big": {
      const [bound, above, sign] = issue.code === "too_small" ? [issue.minimum, "at least", ">"] : [issue.maximum, "at most", "<"];
      const wanted = issue.inclusive === false ? `${sign} ${bound}` : `${above} ${bound}`;
      const what = issue.origin === "array" ? `expected ${wanted} entries` : `expected a number ${wanted}, found ${found}`;
      return [{ code: "out_of_range", path, message: what }];
    }
    case "invalid_union": {
      const union = unwrap(schemaAt(schema, issue.path as Path) ?? schema);
      const options = union instanceof z.ZodUnion ? union.options : [];
      const value = valueAt(data, path);
      const branch = likelyBranch(issue.errors, options, value);
      const option = options[branch];
      if (option === undefined || !isMapping(value) || !(unwrap(option) instanceof z.ZodObject)) {
        const near =
          typeof value === "string"
            ? nearest(
                value,
                options.flatMap((each) => (each instanceof z.ZodEnum ? each.options.map(String) : [])),
              )
            : undefined;
        const scalar = typeof value === "number" ? `did you mean {value: ${value}}?` : undefined;
        return [
          {
            code: "wrong_type",
            path,
            message: `expected ${expectation(union)}, found ${found}`,
            ...hinted(near ? `did you mean ${near}?` : (scalar ?? truthHint(value))),
          },
        ];
      }
      const findings = (issue.errors[branch] ?? []).flatMap((inner) => findingsOf(inner, option, data, path));
      // What another tool's keys mean here may be what is missing, or have nothing missing.
      const isForeign = findings.some((each) => each.code === "unknown_key" && meaningAt(each.path) !== undefined);
      return isForeign ? findings.filter((each) => each.code !== "missing_key") : findings;
    }
    default:
      return [{ code: "wrong_value", path, message: `${issue.message}, found ${found}` }];
  }
}

/** The schema of the value at `path`, through optional and default wrappers. */
function schemaAt(schema: z.core.$ZodType, path: Path): z.core.$ZodType | undefined {
  let current: z.core.$ZodType | undefined = unwrap(schema);
  for (const segment of path) {
    if (current instanceof z.ZodObject) current = (current.shape as Record<string, z.core.$ZodType>)[String(segment)];
    else if (current instanceof z.ZodArray) current = current.element;
    else return undefined;
    if (current === undefined) return undefined;
    current = unwrap(current);
  }
  return current;
}

/** Every schema mistake in `data`. */
export function schemaFindings(schema: z.ZodType, data: unknown): readonly Finding[] {
  const result = schema.safeParse(data);
  if (result.success) return [];
  const findings = result.error.issues.flatMap((issue) => findingsOf(issue, schema, data, []));
  // A number may break two limits of its type at once; one line says enough, and the last limit is the narrowest.
  const key = ({ code, path }: Finding): string => `${code} ${path.join(".")}`;
  return [...new Map(findings.map((finding) => [key(finding), finding])).values()];
}

/** The parts of `data` that fit the schema, with defaults; whatever does not fit is undefined. */
export function salvage(schema: z.core.$ZodType, data: unknown): unknown {
  const parsed = z.safeParse(schema, data);
  if (parsed.success) return parsed.data;
  const inner = unwrap(schema);
  if (!(inner instanceof z.ZodObject) || typeof data !== "object" || data === null) return undefined;
  const shape = inner.shape as Record<string, z.core.$ZodType>;
  return Object.fromEntries(Object.entries(shape).map(([key, part]) => [key, salvage(part, (data as Record<string, unknown>)[key])]));
}
