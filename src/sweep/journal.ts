/**
 * The run folder's append-only journal, one JSON record a line: a header, then
 * each trial as it ends, each with a check over its content. A record counts once
 * it is on disk; the state of a run is whatever its journal says.
 */
import { createHash } from "node:crypto";
import { closeSync, fdatasyncSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { z } from "zod";
import { UserError, exitCodes } from "../errors.ts";
import { trialResultSchema, type TrialResult } from "./trial-result.ts";

export const journalVersion = 1;

const headerSchema = z.strictObject({
  version: z.literal(journalVersion),
  name: z.string(),
  spec_hash: z.string(),
  data_hash: z.string(),
  engine: z.string(),
  mutransfer: z.string(),
});
const recordSchema = z.discriminatedUnion("record", [
  z.strictObject({ record: z.literal("header"), header: headerSchema }),
  z.strictObject({ record: z.literal("trial"), trial: trialResultSchema }),
]);
type JournalRecord = z.infer<typeof recordSchema>;
export type JournalHeader = z.infer<typeof headerSchema>;

export interface Replay {
  readonly header: JournalHeader | undefined;
  /** Ended trials by id; the first record of a trial counts, but a failed one gives way to a later one. */
  readonly trials: ReadonlyMap<number, TrialResult>;
  /** Bytes of complete records: what follows is a line cut short by a crash. */
  readonly goodBytes: number;
}

/** First 16 hex digits of the sha256 of a record's JSON. */
const checkOf = (record: object): string => createHash("sha256").update(JSON.stringify(record)).digest("hex").slice(0, 16);

/** State of a journal's bytes; throws a UserError (exit 3) for a damaged line that is not its last. */
export function replayJournal(bytes: Uint8Array, file: string): Replay {
  const goodBytes = bytes.lastIndexOf(10) + 1;
  const complete = Buffer.from(bytes.buffer, bytes.byteOffset, goodBytes).toString();
  let header: JournalHeader | undefined;
  const trials = new Map<number, TrialResult>();
  complete
    .split("\n")
    .slice(0, -1)
    .forEach((line, index) => {
      const record = parseRecord(line, `${file}:${index + 1}`);
      if (record.record === "header") header = record.header;
      else if ((trials.get(record.trial.id)?.status ?? "failed") === "failed") trials.set(record.trial.id, record.trial);
    });
  return { header, trials, goodBytes };
}

function parseRecord(line: string, where: string): JournalRecord {
  const refuse = (message: string): UserError =>
    new UserError(
      {
        code: "journal_damaged",
        message: `${where}: ${message}`,
        hint: "the journal was damaged: restore it, or start in another folder with --out",
      },
      exitCodes.disagreement,
    );
  let data: unknown;
  try {
    data = JSON.parse(line);
  } catch {
    throw refuse("the line is no JSON");
  }
  const { check, ...content } = (typeof data === "object" ? data : {}) as { readonly check?: unknown };
  if (check !== checkOf(content)) throw refuse("the line was changed after it was written");
  const parsed = recordSchema.safeParse(content);
  if (!parsed.success) throw refuse("the line is no record this version knows");
  return parsed.data;
}

export interface Journal {
  readonly replay: Replay;
  /** Appends a trial and returns when it is on disk. */
  append(trial: TrialResult): void;
  close(): void;
}

/**
 * Opens or creates the journal of a run. Throws a UserError (exit 3) when the folder
 * holds the run of another spec, of other data, or of another engine.
 */
export function openJournal(path: string, header: JournalHeader): Journal {
  const file = openSync(path, "a+");
  const write = (record: JournalRecord): void => {
    const bytes = Buffer.from(`${JSON.stringify({ ...record, check: checkOf(record) })}\n`);
    for (let written = 0; written < bytes.length;) written += writeSync(file, bytes, written);
    fdatasyncSync(file);
  };
  try {
    const replay = replayJournal(readFileSync(path), path);
    const changed =
      replay.header === undefined
        ? []
        : (["spec_hash", "data_hash", "engine"] as const).filter((key) => replay.header?.[key] !== header[key]);
    if (changed.length > 0) {
      const what = changed.map((key) => key.replace("_hash", "")).join(" and ");
      throw new UserError(
        {
          code: "run_of_another_spec",
          message: `${path} belongs to a sweep with another ${what}`,
          hint: "give another folder with --out, or remove this one",
        },
        exitCodes.disagreement,
      );
    }
    ftruncateSync(file, replay.goodBytes);
    if (replay.header === undefined) write({ record: "header", header });
    return { replay, append: (trial) => write({ record: "trial", trial }), close: () => closeSync(file) };
  } catch (error) {
    closeSync(file);
    throw error;
  }
}
