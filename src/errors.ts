/**
 * The two kinds of error that travel as exceptions: mistakes a user can mend
 * (diagnostics, of some kind) and bugs (assertions). A diverged or failed
 * trial is neither: it is a recorded result.
 */

/** Whose matter it is that a command cannot go on: what was asked for, files that disagree, a folder in other hands, no trial that survived, the disk, or no engine. */
export type ErrorKind = "usage" | "disagreement" | "locked" | "noSurvivor" | "io" | "engine";

/** Where in a file the mistake stands; line and column count from 1. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** The source line itself, for the caret excerpt; empty when what is wrong is that something is absent. */
  readonly excerpt: string;
}

/** One mistake a user can mend: a stable code, what is wrong, and the way out. */
export interface Diagnostic {
  readonly code: string;
  readonly message: string;
  /** Dotted path of the value concerned, e.g. `search.parameters.learning_rate.max`. */
  readonly path?: string;
  readonly position?: Position;
  readonly hint?: string;
}

/** How a hint names an option, by what it is called as data; said in one place, since not everybody types options. */
export const option = (name: string): string => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** Ends a command with diagnostics instead of a stack trace. */
export class UserError extends Error {
  readonly diagnostics: readonly Diagnostic[];
  readonly kind: ErrorKind;

  constructor(diagnostics: Diagnostic | readonly Diagnostic[], kind: ErrorKind = "usage") {
    const all = Array.isArray(diagnostics) ? (diagnostics as readonly Diagnostic[]) : [diagnostics as Diagnostic];
    super(all.map((each) => each.message).join("\n"));
    this.name = "UserError";
    this.diagnostics = all;
    this.kind = kind;
  }

  /** The first mistake's. */
  get code(): string {
    return this.diagnostics[0].code;
  }
}

/** Throws when an invariant of this program itself does not hold: `where` names the function. */
export function invariant(condition: unknown, where: string, detail: string): asserts condition {
  if (!condition) throw new Error(`${where}: ${detail}`);
}
