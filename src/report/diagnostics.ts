/**
 * Diagnostics as text: place, path, what is wrong, the source line with a caret,
 * and the way out.
 */
import type { Diagnostic } from "../errors.ts";
import type { Style } from "./style.ts";

/** Indentation up to a column; tabs stay tabs, so that the caret stands under it. */
function indentation(column: number, excerpt: string): string {
  return excerpt.slice(0, column - 1).replace(/[^\t]/g, " ");
}

/** Control characters of hostile or binary files as visible ones: they must not reach the terminal. */
const visible = (text: string): string => text.replace(/[^\P{Cc}\t\n]/gu, "\u{fffd}");

export function renderDiagnostic({ code, message, path, place, hint }: Diagnostic, style: Style): string {
  const where = place ? `${place.file}:${place.line}:${place.column} ` : "";
  const lines = [`${style.bold(where)}${path ? `${visible(path)}: ` : ""}${style.red(visible(message))} ${style.dim(`[${code}]`)}`];
  if (place?.excerpt) lines.push(`    ${visible(place.excerpt)}`, `    ${indentation(place.column, place.excerpt)}^`);
  if (hint) lines.push(`    ${style.green(visible(hint))}`);
  return lines.join("\n");
}

export function renderDiagnostics(diagnostics: readonly Diagnostic[], style: Style): string {
  const summary = diagnostics.length > 1 ? [`${diagnostics.length} mistakes`] : [];
  return [...diagnostics.map((each) => renderDiagnostic(each, style)), ...summary].join("\n");
}
