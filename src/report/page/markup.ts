/** HTML that cannot be broken out of: whatever is put into a template is escaped unless it is markup itself. */
import type { Table } from "./figure.ts";

/** Text that is HTML already. */
export class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
/** Text as it may stand in an element or a quoted attribute; control characters, which no page may hold, become a replacement. */
const escapeText = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => entities[character]).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g, "\ufffd");

type Part = Markup | string | number | undefined | readonly Part[];

function partText(part: Part): string {
  if (part === undefined) return "";
  if (part instanceof Markup) return part.text;
  return typeof part === "object" ? part.map(partText).join("") : escapeText(String(part));
}

/** A template of markup; `undefined` is nothing, lists are joined. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return new Markup(strings.map((text, index) => text + (index < parts.length ? partText(parts[index]) : "")).join(""));
}

/** A cell whose value for sorting is not its text. */
export type TableCell = string | { readonly text: string; readonly value: string };
/** A row that is a trial's, by its key. */
export interface Cells {
  readonly key: string;
  readonly cells: readonly TableCell[];
}
/** A table of a page. */
export interface PageTable extends Omit<Table, "rows"> {
  readonly rows: readonly (readonly TableCell[] | Cells)[];
  /** Keeps where a reader has scrolled it to, and how it is sorted, when the page is made anew. */
  readonly id?: string;
  /** Whether a script lets it be sorted. */
  readonly sorts?: boolean;
}

/** A table as HTML. */
export function tableMarkup({ head, rows, numeric, id, sorts = false }: PageTable): Markup {
  const kind = (column: number): Markup | undefined => (numeric[column] ? html` class="number"` : undefined);
  const cellOf = (cell: TableCell, column: number): Markup =>
    typeof cell === "string"
      ? html`<td${kind(column)}>${cell}</td>`
      : html`<td${kind(column)} data-value="${cell.value}">${cell.text}</td>`;
  const rowOf = (row: readonly TableCell[] | Cells): Markup =>
    "cells" in row
      ? html`<tr data-key="${row.key}">
          ${row.cells.map(cellOf)}
        </tr> `
      : html`<tr>
          ${row.map(cellOf)}
        </tr> `;
  return html`<div class="scroll"${id === undefined ? undefined : html` id="${id}-scroll"`}>
    <table${id === undefined ? undefined : html` id="${id}"`}${sorts ? html` data-sorts` : undefined}>
      <thead>
        <tr>
          ${head.map((title, column) => html`<th scope="col" ${kind(column)}>${title}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(rowOf)}
      </tbody>
    </table>
  </div>`;
}
