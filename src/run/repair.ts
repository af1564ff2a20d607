/**
 * Puts the damaged lines of a journal aside: they are kept in a file of their own, and
 * the journal is written anew with the records that are whole.
 */
import { join } from "node:path";
import { encodeLine } from "./journal-lines.ts";
import { scanJournal, type Damage } from "./journal.ts";
import type { OpenFolder } from "./open-folder.ts";
import type { JournalRecord } from "./records.ts";
import { runFiles } from "./run-folder.ts";

/** What became of a journal. */
export interface Repair {
  /** Numbers of the lines that were put aside, from 1. */
  readonly quarantined: readonly number[];
  /** Where they are now. */
  readonly file: string;
  /** Whether the journal still says what run it is; nothing was changed when it does not. */
  readonly hasRun: boolean;
}

/** Puts a journal's damaged lines aside, if it still says what run it is. */
export function repairJournal(folder: OpenFolder): Repair {
  const name = runFiles.journal;
  const records: JournalRecord[] = [];
  const damages: Damage[] = [];
  let isWhole = true;
  const { torn } = scanJournal(
    folder,
    name,
    (record) => records.push(record),
    (damage) => {
      isWhole = false;
      if (damage.record === undefined) damages.push(damage);
      else records.push(damage.record); // in the wrong place, and no less true for it
    },
  );
  const quarantine = quarantineName(folder, name);
  const file = join(folder.path, quarantine);
  const hasRun = records.some(({ record }) => record === "run");
  const quarantined = damages.map(({ line }) => line);
  if (!hasRun || isWhole) return { quarantined, file, hasRun };
  const aside = [...damages.map(({ text }) => text), ...(torn.length > 0 ? [torn] : [])];
  if (aside.length > 0)
    folder.write(
      quarantine,
      aside.map((text) => Buffer.concat([text, Buffer.from("\n")])),
    );
  const first = records.filter(({ record }) => record === "run").slice(0, 1);
  const others = withoutRepeats(records.filter(({ record }) => record !== "run"));
  folder.write(
    name,
    [...first, ...others].map((record, seq) => encodeLine(seq, record)),
  );
  return { quarantined, file, hasRun };
}

/** A doubled line says nothing new. */
function withoutRepeats(records: readonly JournalRecord[]): readonly JournalRecord[] {
  const seen = new Set<string>();
  return records.filter((record) => {
    const text = JSON.stringify(record);
    return !seen.has(text) && seen.add(text);
  });
}

function quarantineName(folder: OpenFolder, journal: string): string {
  for (let copy = 1; ; copy++) if (!folder.has(`${journal}.damaged-${copy}`)) return `${journal}.damaged-${copy}`;
}
