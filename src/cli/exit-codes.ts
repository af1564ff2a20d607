/** The exit codes of the command line, and which of them an error that a user can mend ends with. */
import type { ErrorKind } from "../errors.ts";

/** Every exit code of the command line; docs/command-line.md documents them. */
export const exitCodes = {
  ok: 0,
  internal: 1,
  usage: 2,
  disagreement: 3,
  locked: 4,
  noSurvivor: 5,
  io: 6,
  engine: 7,
  refuted: 8,
  inconclusive: 9,
  interrupted: 130,
  terminated: 143,
} as const satisfies Readonly<Record<ErrorKind, number>> & Readonly<Record<string, number>>;

/** One of them. */
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];
