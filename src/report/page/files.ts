/** A figure's rows as CSV and JSON text. */
import type { Cell, Row } from "./figure.ts";

function csvCell(value: Cell | undefined): string {
  const text = value === null || value === undefined ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Rows as CSV. Columns are those of the first row; what is not known is empty. */
export function csvOf(rows: readonly Row[]): string {
  const names = Object.keys(rows[0] ?? {});
  return [names.map(csvCell), ...rows.map((row) => names.map((name) => csvCell(row[name])))].map((line) => `${line.join(",")}\n`).join("");
}

/** Rows as JSON, one a line. */
export const jsonOf = (rows: readonly Row[]): string => `[\n${rows.map((row) => `  ${JSON.stringify(row)}`).join(",\n")}\n]\n`;
