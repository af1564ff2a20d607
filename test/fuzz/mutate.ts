/**
 * Mutations of bytes, of lines of text and of trees of plain data. Each is a pure
 * function of its input and a stream of random numbers, so that any mutant can be made again.
 */
import type { RandomStream } from "../../src/rng.ts";

export type Mutation<T> = (input: T, random: RandomStream, other: T) => T;

export const pick = <T>(from: readonly T[], random: RandomStream): T => from[random.integer(from.length)];

/** Strings that programs have stumbled over. */
const strings: readonly string[] = [
  ...[
    "",
    "../x",
    "../../etc/passwd",
    "/etc/passwd",
    "a\u0000b",
    "\u0000",
    "\u202e\ufeff\ud800",
    "\u001b[2J\u001b]0;x\u0007",
    "con",
    "~",
    ".",
  ],
  ...["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "then", "{a,b}".repeat(12), "+(a|aa)+(a|aa)", "%s%n${x}`id`"],
  ...["a".repeat(5000), "é".repeat(300), "null", "NaN", "1e309", "-0", "0x10", "!!js/function x", "*a", "&a", "<<", "[".repeat(200)],
];
const numbers: readonly number[] = [
  ...[0, -0, -1, 1, 0.5, 2, 3, 7, 255, 65536, 2 ** 31 - 1, -(2 ** 31), 2 ** 32, 2 ** 53 - 1, 2 ** 53, -(2 ** 53)],
  ...[1e-320, 1e300, -1e300, 5e-324, 1.7e308, 1e5, 100_001, Infinity, -Infinity, NaN],
];
const names = ["__proto__", "constructor", "prototype", "toString", "valueOf", "length", "\u0000", "../x", "record", "spec", "dropout", ""];

/** Sets an own property whatever it is called; an assignment to `__proto__` would set the prototype. */
const withKey = (of: object, key: string, value: unknown): object => Object.fromEntries([...Object.entries(of), [key, value]]);

function nested(value: unknown, depth: number, random: RandomStream): unknown {
  const isList = random.integer(2) === 0;
  for (let level = 0; level < depth; level++) value = isList ? [value] : { a: value };
  return value;
}

function strange(value: unknown, random: RandomStream): unknown {
  const kinds: readonly (() => unknown)[] = [
    () => pick(strings, random),
    () => pick(numbers, random),
    () => null,
    () => [],
    () => ({}),
    () => [value, value],
    () => random.integer(2) === 0,
    () => (typeof value === "number" ? value * pick([-1, 0.5, 1.1, 2, 10], random) : String(value)),
    () => withKey({}, pick(names, random), value),
    () => nested(value, pick([1, 5, 5, 100], random), random),
    () => Array.from({ length: 300 }, (_, index) => index % 299),
  ];
  return pick(kinds, random)();
}

/** Changes one place of a tree: a value, a key, or the number or order of parts. */
export const mutateTree: Mutation<unknown> = (value, random, other) => {
  const isBranch = typeof value === "object" && value !== null && Object.keys(value).length > 0;
  if (!isBranch || random.integer(8) === 0) return random.integer(6) === 0 ? other : strange(value, random);
  const entries = Object.entries(value);
  const at = random.integer(entries.length);
  const [key, part] = entries[at] as [string, unknown];
  const what = random.integer(20);
  if (what === 0) entries.splice(at, 1);
  else if (what === 1) entries.push([Array.isArray(value) ? "0" : pick(names, random), strange(part, random)]);
  else if (what === 2) entries[at] = [pick(names, random), part];
  else if (what === 3) entries.reverse();
  else if (what === 4) entries.push([`${key}x`, part]);
  else entries[at] = [key, mutateTree(part, random, other)];
  return Array.isArray(value) ? entries.map(([, each]) => each as unknown) : Object.fromEntries(entries);
};

const indicators = [
  "&a ",
  "*a",
  "<<: *a",
  "!!binary x",
  "!!js/function 'x'",
  "? ",
  "- ",
  "|\n",
  ">-\n",
  "{",
  "}",
  "[",
  "]",
  "#",
  "%YAML 9",
  "---\n",
  "\t",
  "''",
];
const bomb = `a: &a [x, x]\n${Array.from({ length: 12 }, (_, n) => `b${n}: &b${n} [${`*${n === 0 ? "a" : `b${n - 1}`}, `.repeat(9)}]\n`).join("")}`;

/** Changes lines, numbers and words of a text. */
export const mutateText: Mutation<string> = (text, random, other) => {
  const lines = text.split("\n");
  const at = random.integer(lines.length);
  const [line, to] = [lines[at], random.integer(lines.length)];
  const changes: readonly (() => void)[] = [
    () => void lines.splice(at, 1),
    () => void lines.splice(to, 0, line),
    () => void lines.splice(to, 0, ...lines.splice(at, 1)),
    () => void lines.splice(at, 0, ...other.split("\n").slice(to, to + 4)),
    () => void lines.splice(at, lines.length, ...other.split("\n").slice(to)),
    () => (lines[at] = pick([" ", "  ", "\t", "- "], random) + line),
    () => (lines[at] = line.trimStart()),
    () => (lines[at] = line.replace(/-?[\d.]+(e[-+]?\d+)?/, () => String(pick(numbers, random)))),
    () =>
      (lines[at] = line.replace(/\.?\d+/, () =>
        pick([".inf", "-.inf", ".nan", "0x10", "0o7", "1e309", "-0", "1_000", "1e5", "~"], random),
      )),
    () => (lines[at] = line.replace(/[A-Za-z_]+/g, (word) => (random.integer(3) === 0 ? JSON.stringify(pick(strings, random)) : word))),
    () =>
      (lines[at] = line.replace(/: .*/, () => `: ${pick(["[", "{a: ", "- "], random).repeat(pick([3, 30, 30, 30, 30, 1000], random))}`)),
    () => (lines[at] = line.replace(/:/, `: ${pick(indicators, random)}`)),
    () =>
      (lines[at] = line.slice(0, random.integer(line.length + 1)) + pick(indicators, random) + line.slice(random.integer(line.length + 1))),
    () => void lines.splice(at, 0, ...bomb.split("\n")),
    () => void lines.splice(at, 0, `${pick(names, random)}: {polluted: 1}`),
    () => (lines[at] = `${line}\r`),
  ];
  for (let times = 1 + random.integer(3); times > 0; times--) pick(changes, random)();
  return lines.join("\n");
};

/** Eight bytes of a number at the edge of some type. */
function edge(random: RandomStream): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(
    pick([0n, 1n, 2n ** 15n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n, 2n ** 60n, 2n ** 63n, 2n ** 64n - 1n], random),
  );
  return bytes.subarray(0, pick([2, 4, 8], random));
}

/** Flips, cuts, repeats, inserts and overwrites bytes, most often near the start, where headers are. */
export const mutateBytes: Mutation<Buffer> = (input, random, other) => {
  let bytes = Buffer.from(input);
  for (let times = 1 + random.integer(3); times > 0; times--) {
    const reach = random.integer(2) === 0 ? Math.min(bytes.length, 64) : bytes.length;
    const [at, length] = [random.integer(reach + 1), random.integer(32)];
    const changes: readonly (() => Buffer)[] = [
      () => ((bytes[at] ^= 1 << random.integer(8)), bytes),
      () => bytes.subarray(0, at),
      () => bytes.subarray(at),
      () => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]),
      () => Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]),
      () => Buffer.concat([bytes.subarray(0, at), edge(random), bytes.subarray(at)]),
      () => Buffer.concat([bytes.subarray(0, at), Buffer.alloc(length, random.integer(256)), bytes.subarray(at)]),
      () => (edge(random).copy(bytes, at), bytes),
      () => (edge(random).copy(bytes, 4 * random.integer(3)), bytes),
      () => Buffer.concat([bytes.subarray(0, at), other.subarray(random.integer(other.length))]),
    ];
    bytes = Buffer.from(pick(changes, random)());
  }
  return bytes;
};
