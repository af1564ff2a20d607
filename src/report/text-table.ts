/**
 * Tables as text that fit the columns there are: titles first take several lines, then columns
 * are left out that their table names, then each row becomes a block. A word is never divided.
 */
import Table from "cli-table3";
import type { Style } from "./style.ts";
import { filled, widthOf, wordsOf, wrapped } from "./text.ts";

/** What a table gives up where it does not fit. */
export interface Narrow {
  /** Titles of columns that can be left out, the first to go first. */
  readonly drop?: readonly string[];
  /** Where they are to be found, besides a wider terminal. */
  readonly elsewhere?: string;
}

const gap = "  ";
const edges = ["top", "bottom", "left", "right"];
/** cli-table3 without lines, and without its own colours: styles are ours. */
const lineless = {
  ...Object.fromEntries(edges.flatMap((edge) => [edge, `${edge}-mid`, `${edge}-left`, `${edge}-right`].map((name) => [name, ""]))),
  ...{ mid: "", "mid-mid": "", "left-mid": "", "right-mid": "", middle: gap },
};

interface Layout {
  readonly lines: readonly string[];
  readonly width: number;
}

/** A table of these columns, whatever it takes; titles in one line, or a word below the other. */
function laidOut(columns: readonly Column[], isTall: boolean, style: Style): Layout {
  const titles = columns.map(({ title }) => (isTall ? wordsOf(title) : [title]));
  const height = Math.max(...titles.map((words) => words.length));
  const heads = titles.map((words) => [...Array.from({ length: height - words.length }, () => ""), ...words]);
  const table = new Table({
    head: heads.map((words) => words.map((word) => (word === "" ? "" : style.bold(word))).join("\n")),
    colAligns: columns.map(({ isNumber }) => (isNumber ? "right" : "left")),
    style: { head: [], border: [], compact: true, "padding-left": 0, "padding-right": 0 },
    chars: lineless,
  });
  const [{ values }] = columns;
  table.push(...values.map((_, row) => columns.map((column) => column.values[row])));
  const lines = table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd());
  return { lines, width: Math.max(...lines.map(widthOf)) };
}

interface Column {
  readonly title: string;
  readonly isNumber: boolean;
  readonly values: readonly string[];
}

/** A block for each row: what its first column says, and below it the others by their names. */
function stacked([first, ...others]: readonly Column[], style: Style): readonly string[] {
  return first.values.flatMap((value, row) => {
    const pairs = others.filter(({ values }) => values[row] !== "").map(({ title, values }) => `${title}${title && ": "}${values[row]}`);
    return [
      style.bold(first.isNumber ? `${first.title} ${value}` : value),
      ...filled(pairs, style.columns - gap.length, ", ", "").map((line) => gap + line),
    ];
  });
}

/** Rows under their titles, numbers to the right, in the columns that the style has. */
export function textTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  numeric: readonly boolean[],
  style: Style,
  { drop = [], elsewhere }: Narrow = {},
): string {
  const all = head.map((title, index): Column => ({ title, isNumber: numeric[index], values: rows.map((row) => row[index]) }));
  for (let dropped = 0; dropped <= drop.length; dropped++) {
    const gone = drop.slice(0, dropped);
    const kept = all.filter(({ title }) => !gone.includes(title));
    for (const isTall of [false, true]) {
      const { lines, width } = laidOut(kept, isTall, style);
      if (width > style.columns) continue;
      const missing = all.filter((column) => !kept.includes(column)).map(({ title }) => title);
      const where = `in a wider terminal${elsewhere === undefined ? "" : `, or ${elsewhere}`}`;
      const more = missing.length === 0 ? [] : [style.dim(wrapped(`… more columns ${where}: ${missing.join(", ")}`, style.columns))];
      return [...lines, ...more].join("\n");
    }
  }
  return stacked(all, style).join("\n");
}
