/**
 * What programs hand over, checked before it is used: every key by a rule, unknown keys refused,
 * and keys whose value is undefined left out, so that they mean the default. Whose keys they are,
 * and what they do, is not known here.
 */
import { UserError, type Diagnostic } from "../errors.ts";
import { isMapping } from "../json.ts";

/** What a value has to be. */
export interface Rule {
  readonly expected: string;
  readonly holds: (value: unknown) => boolean;
}
/** A rule for every key of O. */
export type Rules<O> = { readonly [K in keyof O]-?: Rule };

/** A whole number between two others. */
export const whole = (least: number, most: number = Number.MAX_SAFE_INTEGER): Rule => ({
  expected: most === Number.MAX_SAFE_INTEGER ? `a whole number of at least ${least}` : `a whole number from ${least} to ${most}`,
  holds: (value) => Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most,
});
/** A finite number above 0. */
export const positive: Rule = {
  expected: "a number above 0",
  holds: (value) => typeof value === "number" && value > 0 && value < Infinity,
};
/** A finite number of at least 0. */
export const nonNegative: Rule = {
  expected: "a number of at least 0",
  holds: (value) => typeof value === "number" && value >= 0 && value < Infinity,
};
/** true or false. */
export const flag: Rule = { expected: "true or false", holds: (value) => typeof value === "boolean" };
/** A path. */
export const path: Rule = { expected: "a path", holds: (value) => typeof value === "string" && value !== "" };
/** A mapping, whatever is in it. */
export const mapping: Rule = { expected: "a mapping", holds: isMapping };
/** One of some words. */
export const oneOf = (...words: readonly string[]): Rule => ({
  expected: words.join(" | "),
  holds: (value) => typeof value === "string" && words.includes(value),
});
/** A list of what a rule asks for. */
export const listOf = ({ expected, holds }: Rule): Rule => ({
  expected: `a list, each ${expected}`,
  holds: (value) => Array.isArray(value) && value.every(holds),
});
/** A mapping whose values keep rules of their own. */
export const mappingOf = <O>(rules: Rules<O>): Rule => ({
  expected: `{${Object.entries<Rule>(rules)
    .map(([key, { expected }]) => `${key}: ${expected}`)
    .join(", ")}}`,
  holds: (value) => isMapping(value) && problemsIn("", value, rules).length === 0,
});

/** One argument that is not what it has to be. */
export const wrong = (where: string, expected: string, found: unknown): Diagnostic => ({
  code: "bad_argument",
  path: where,
  message: `${where}: expected ${expected}, found ${told(found)}`,
});

/** As somebody would write it, where that is short. */
function told(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(told).join(", ")}]`;
  return typeof value === "object" && value !== null ? "an object" : typeof value === "function" ? "a function" : String(value);
}

/** What is wrong with a mapping: no such key, a value against its rule, or a required key that is absent. */
export function problemsIn<O>(
  where: string,
  value: unknown,
  rules: Rules<O>,
  required: readonly (keyof O & string)[] = [],
): readonly Diagnostic[] {
  if (!isMapping(value)) return [wrong(where || "argument", "a mapping", value)];
  const at = (key: string): string => (where === "" ? key : `${where}.${key}`);
  const ruleOf = (key: string): Rule | undefined => (Object.hasOwn(rules, key) ? rules[key as keyof O] : undefined);
  return [...new Set<string>([...required, ...Object.keys(value)])].flatMap((key) => {
    const rule = ruleOf(key);
    const found = value[key];
    if (rule === undefined)
      return [{ code: "bad_argument", path: at(key), message: `${at(key)}: unknown; known: ${Object.keys(rules).join(", ")}` }];
    if (found === undefined && !required.some((each) => each === key)) return [];
    return rule.holds(found) ? [] : [wrong(at(key), rule.expected, found)];
  });
}

/** A mapping without the keys whose value is undefined. */
export const defined = <O extends object>(value: O): O =>
  Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as O;

/** Options whose rules all hold, without those that are undefined; throws a UserError that names everything that is wrong. */
export function knownOptions<O extends object>(options: O, rules: Rules<O>): O {
  const problems = isMapping(options) ? problemsIn("", options, rules) : [wrong("options", "a mapping", options)];
  if (problems.length > 0) throw new UserError(problems);
  return defined(options);
}

/** A single argument whose rule holds; throws a UserError otherwise. */
export function known<V>(where: string, value: V, { expected, holds }: Rule): V {
  if (!holds(value)) throw new UserError(wrong(where, expected, value));
  return value;
}
