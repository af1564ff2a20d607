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

const excerptLength = 200;

/** Control characters of hostile or binary files as visible ones: they must not reach the terminal. */
export const visible = (text: string): string => text.replace(/[^\P{Cc}\t\n]/gu, "\u{fffd}");

export function renderDiagnostic({ code, message, path, place, hint }: Diagnostic, style: Style): string {
  const where = place ? `${place.file}:${place.line}:${place.column} ` : "";
  const lines = [`${style.bold(where)}${path ? `${visible(path)}: ` : ""}${style.red(visible(message))} ${style.dim(`[${code}]`)}`];
  if (place?.excerpt) {
    // Of a line that is longer than any screen, what stands around the place.
    const start = Math.max(0, Math.min(place.column - excerptLength / 2, place.excerpt.length - excerptLength));
    const excerpt = place.excerpt.slice(start, start + excerptLength);
    lines.push(`    ${visible(excerpt)}`, `    ${indentation(place.column - start, excerpt)}^`);
  }
  if (hint) lines.push(`    ${style.green(visible(hint))}`);
  return lines.join("\n");
}

export function renderDiagnostics(diagnostics: readonly Diagnostic[], style: Style): string {
  const summary = diagnostics.length > 1 ? [`${diagnostics.length} mistakes`] : [];
  return [...diagnostics.map((each) => renderDiagnostic(each, style)), ...summary].join("\n");
}
