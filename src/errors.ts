/**
 * The two kinds of error that travel as exceptions: mistakes a user can mend
 * (diagnostics, with an exit code) and bugs (assertions). A diverged or failed
 * trial is neither: it is a recorded result.
 */

/** Every exit code of the command line; the README documents them. */
export const exitCodes = {
  ok: 0,
  internal: 1,
  usage: 2,
  disagreement: 3,
  locked: 4,
  noSurvivor: 5,
  io: 6,
  engine: 7,
  notFlat: 8,
  inconclusive: 9,
  interrupted: 130,
  terminated: 143,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Where in a file the mistake stands; line and column count from 1. */
export interface Place {
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
  readonly place?: Place;
  readonly hint?: string;
}

/** Ends a command with diagnostics instead of a stack trace. */
export class UserError extends Error {
  readonly diagnostics: readonly Diagnostic[];
  readonly exitCode: ExitCode;

  constructor(diagnostics: Diagnostic | readonly Diagnostic[], exitCode: ExitCode = exitCodes.usage) {
    const all = Array.isArray(diagnostics) ? (diagnostics as readonly Diagnostic[]) : [diagnostics as Diagnostic];
    super(all.map((each) => each.message).join("\n"));
    this.name = "UserError";
    this.diagnostics = all;
    this.exitCode = exitCode;
  }
}

/** Throws when an invariant of this program itself does not hold: `where` names the function. */
export function invariant(condition: unknown, where: string, detail: string): asserts condition {
  if (!condition) throw new Error(`${where}: ${detail}`);
}
