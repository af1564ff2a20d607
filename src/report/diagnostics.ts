/**
 * Diagnostics as text: position, path, what is wrong, the source line with a caret,
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

/** One diagnostic as lines of text. */
export function renderDiagnostic({ code, message, path, position, hint }: Diagnostic, style: Style): string {
  const where = position ? `${position.file}:${position.line}:${position.column} ` : "";
  const lines = [
    `${style.bold(visible(where))}${path ? `${visible(path)}: ` : ""}${style.red(visible(message))} ${style.dim(`[${code}]`)}`,
  ];
  if (position?.excerpt) {
    // A line may be longer than any screen: only what stands around the position is shown.
    const start = Math.max(0, Math.min(position.column - excerptLength / 2, position.excerpt.length - excerptLength));
    const excerpt = position.excerpt.slice(start, start + excerptLength);
    lines.push(`    ${visible(excerpt)}`, `    ${indentation(position.column - start, excerpt)}^`);
  }
  if (hint) lines.push(`    ${style.green(visible(hint))}`);
  return lines.join("\n");
}

/** Diagnostics as text, with their number when there are several. */
export function renderDiagnostics(diagnostics: readonly Diagnostic[], style: Style): string {
  const summary = diagnostics.length > 1 ? [`${diagnostics.length} mistakes`] : [];
  return [...diagnostics.map((each) => renderDiagnostic(each, style)), ...summary].join("\n");
}
