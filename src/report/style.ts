/**
 * Terminal styles as plain functions, so that every renderer returns a string and
 * none asks where it will be printed. And the words that are the same everywhere.
 */
import type { TrialResult } from "../run/trial-result.ts";

/** What the place looks like that text is printed at. */
export interface Style {
  /** How wide it is; Infinity where nothing limits a line. */
  readonly columns: number;
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
}

/** How a trial ended, in words. */
export const statusWords: Readonly<Record<TrialResult["status"], string>> = {
  ...{ completed: "completed", stopped: "stopped", untrained: "learned nothing", diverged: "diverged", failed: "failed" },
};

const wrap =
  (open: number, close: number) =>
  (text: string): string =>
    `\u001b[${open}m${text}\u001b[${close}m`;
const same = (text: string): string => text;

/** Text with escape sequences for a terminal. */
export const colored: Style = { columns: Infinity, bold: wrap(1, 22), dim: wrap(2, 22), red: wrap(31, 39), green: wrap(32, 39) };
/** Text as it is. */
export const plain: Style = { columns: Infinity, bold: same, dim: same, red: same, green: same };
