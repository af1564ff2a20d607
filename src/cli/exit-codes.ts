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

/** What each of them means, in a few words and with its cases; said here once. */
export const exitMeanings: { readonly [K in keyof typeof exitCodes]: { readonly word: string; readonly meaning: string } } = {
  ok: { word: "ok", meaning: "done" },
  internal: { word: "internal error", meaning: "a bug in this program" },
  usage: {
    word: "usage or spec",
    meaning: "wrong usage, a mistake in a spec, an unreadable or foreign results file; nothing was written",
  },
  disagreement: {
    word: "files disagree",
    meaning:
      "files disagree: another sweep's folder, a damaged journal, an edited results file, another target's folder, changed data, a link in the run folder",
  },
  locked: { word: "run folder in use", meaning: "another process is using the run folder" },
  noSurvivor: {
    word: "nothing to trust",
    meaning:
      "nothing to trust: no trial, or not the target, learned anything; the target is worse than the proxy; the winner lies at an edge that matters; the pre-launch check objects",
  },
  io: { word: "disk or I/O", meaning: "disk or I/O; the run folder was deleted, moved or replaced" },
  engine: { word: "engine not usable", meaning: "the engine cannot run here" },
  refuted: {
    word: "coordinate check or curves speak against transfer",
    meaning: "the coordinate check fails, or curves says DOES NOT TRANSFER of the spec's own parametrization",
  },
  inconclusive: { word: "they are inconclusive", meaning: "the coordinate check or curves are inconclusive" },
  interrupted: { word: "interrupted", meaning: "interrupted; the same command continues from the last checkpoints" },
  terminated: { word: "terminated", meaning: "terminated; the same command continues from the last checkpoints" },
};
