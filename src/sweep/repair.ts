/**
 * Puts the damaged lines of a journal aside: they are kept in a file of their own, and
 * the journal is written anew with the records that are whole.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { scanJournal, type Damage } from "./journal.ts";
import { encodeLine } from "./journal-lines.ts";
import type { JournalRecord } from "./records.ts";
import { journalName } from "./run.ts";
import { writeAtomically } from "./run-dir.ts";

export interface Repair {
  /** Numbers of the lines that were put aside, from 1. */
  readonly quarantined: readonly number[];
  /** Where they are now. */
  readonly file: string;
  /** Whether the journal still says what run it is; nothing was changed when it does not. */
  readonly hasRun: boolean;
}

export function repairJournal(folder: string): Repair {
  const path = join(folder, journalName);
  const records: JournalRecord[] = [];
  const damages: Damage[] = [];
  let isWhole = true;
  const { torn } = scanJournal(
    path,
    (record) => records.push(record),
    (damage) => {
      isWhole = false;
      if (damage.record === undefined) damages.push(damage);
      else records.push(damage.record); // in the wrong place, and no less true for it
    },
  );
  const file = quarantineName(path);
  const hasRun = records.some(({ record }) => record === "run");
  const quarantined = damages.map(({ line }) => line);
  if (!hasRun || isWhole) return { quarantined, file, hasRun };
  const aside = [...damages.map(({ text }) => text), ...(torn.length > 0 ? [torn] : [])];
  if (aside.length > 0)
    writeAtomically(
      file,
      aside.map((text) => Buffer.concat([text, Buffer.from("\n")])),
    );
  const first = records.filter(({ record }) => record === "run").slice(0, 1);
  const others = withoutRepeats(records.filter(({ record }) => record !== "run"));
  writeAtomically(
    path,
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

function quarantineName(path: string): string {
  for (let copy = 1; ; copy++) if (!existsSync(`${path}.damaged-${copy}`)) return `${path}.damaged-${copy}`;
}
