/**
 * Text as a terminal shows it: how many columns it takes, and how it is cut or wrapped to
 * so many. Escape sequences of styles take none. Where text is printed is not its business.
 */

const styling = /(\u001b\[\d+m)/;
const graphemes = new Intl.Segmenter();
const narrowKana = /^[\uff61-\uff9f]/;
const wide =
  /^(?:\p{Emoji_Presentation}|\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}|[\u3000-\u303e\uff01-\uff60\uffe0-\uffe6])|\ufe0f/u;
const unseen = /^[\p{Mn}\p{Me}\p{Cf}\p{Cc}]+$/u;

/** Columns of one grapheme. */
const columnsOf = (grapheme: string): number => (unseen.test(grapheme) ? 0 : wide.test(grapheme) && !narrowKana.test(grapheme) ? 2 : 1);

/** Escape sequences and graphemes of a text, each with the columns that it takes. */
const seen = (text: string): readonly { readonly part: string; readonly columns: number }[] =>
  text
    .split(styling)
    .flatMap((part, index) =>
      index % 2 === 1
        ? [{ part, columns: 0 }]
        : [...graphemes.segment(part)].map(({ segment }) => ({ part: segment, columns: columnsOf(segment) })),
    );

/** Columns that a line takes on a terminal. */
export const widthOf = (line: string): number => seen(line).reduce((sum, { columns }) => sum + columns, 0);

/** A line cut to so many columns, with all of its escape sequences. */
export function clip(line: string, columns: number): string {
  let left = columns;
  return seen(line)
    .map(({ part, columns: taken }) => (taken === 0 ? part : (left -= taken) >= 0 ? part : ""))
    .join("");
}

/** Spaces at which a line may end: not before a percent sign, nor beside ±, which belong to their number. */
const breaks = / (?! *[%±])(?<!± )/;
/** The parts of a text that are not divided. */
export const wordsOf = (text: string): readonly string[] => text.split(breaks);

/** Parts put into lines of at most so many columns, parted by `separator` within a line; what is longer has a line of its own. */
export function filled(parts: readonly string[], columns: number, separator: string, indent: string): readonly string[] {
  const lines: string[] = [];
  const most = columns - separator.trimEnd().length;
  for (const part of parts) {
    const last = lines.at(-1);
    const joined = last === undefined ? part : `${last}${separator}${part}`;
    if (last === undefined || widthOf(joined) <= most) lines.splice(-1, 1, joined);
    else lines.splice(-1, 1, `${last}${separator.trimEnd()}`, `${indent}${part}`);
  }
  return lines;
}

/** Lines wrapped at words to so many columns, what goes on indented by two more; words are never divided. */
export function wrapped(text: string, columns: number): string {
  return text
    .split("\n")
    .flatMap((line) => {
      if (widthOf(line) <= columns) return [line];
      const indent = /^ */.exec(line)?.[0] ?? "";
      const [first, ...rest] = wordsOf(line.slice(indent.length));
      return filled([`${indent}${first}`, ...rest], columns, " ", `${indent}  `);
    })
    .join("\n");
}
