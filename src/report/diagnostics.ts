/**
 * Diagnostics as text: place, path, what is wrong, the source line with a caret,
 * and the way out.
 */
import type { Diagnostic } from "../errors.ts";
import type { Style } from "./style.ts";

function caret(column: number, excerpt: string): string {
  // Tabs stay tabs, so that the caret stands under its column.
  return [...excerpt.slice(0, column - 1)].map((character) => (character === "\t" ? "\t" : " ")).join("");
}

export function renderDiagnostic({ code, message, path, place, hint }: Diagnostic, style: Style): string {
  const where = place ? `${place.file}:${place.line}:${place.column} ` : "";
  const lines = [`${style.bold(where)}${path ? `${path}: ` : ""}${style.red(message)} ${style.dim(`[${code}]`)}`];
  if (place) lines.push(`    ${place.excerpt}`, `    ${caret(place.column, place.excerpt)}^`);
  if (hint) lines.push(`    ${style.green(hint)}`);
  return lines.join("\n");
}

export function renderDiagnostics(diagnostics: readonly Diagnostic[], style: Style): string {
  const summary = diagnostics.length > 1 ? [`${diagnostics.length} mistakes`] : [];
  return [...diagnostics.map((each) => renderDiagnostic(each, style)), ...summary].join("\n");
}
