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

/** A table as HTML. */
export function tableMarkup({ head, rows, numeric }: Table): Markup {
  const kind = (column: number): Markup | undefined => (numeric[column] ? html` class="number"` : undefined);
  return html`<div class="scroll">
    <table>
      <thead>
        <tr>
          ${head.map((title, column) => html`<th${kind(column)}>${title}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              ${row.map((cell, column) => html`<td${kind(column)}>${cell}</td>`)}
            </tr> `,
        )}
      </tbody>
    </table>
  </div>`;
}
