/**
 * The run folder's append-only journal. A record counts once it is on disk; a line
 * cut short by a crash is put aside and cut off; anything else that is not as it was
 * written is refused, with the line's number. Knows lines and files, not what records mean.
 */
import { closeSync, fdatasyncSync, fstatSync, ftruncateSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { option, UserError } from "../errors.ts";
import { failpoint, hasFailpoints } from "../failpoints.ts";
import { decodeLine, encodeLine } from "./journal-lines.ts";
import { takenFrom } from "./lock.ts";
import type { OpenFolder } from "./open-folder.ts";
import { Sequence } from "./possible.ts";
import { checkRecord, type JournalRecord } from "./records.ts";
import { shellWord } from "../shell.ts";

/** Where a record lies in its journal. */
export interface Extent {
  readonly offset: number;
  readonly bytes: number;
}

/** What a journal was found to be. */
export interface Scan {
  /** Records that are whole. */
  readonly count: number;
  /** Their bytes. */
  readonly bytes: number;
  /** What follows them: a line cut short by a crash. */
  readonly torn: Buffer;
}

/** One line that is not as it was written. */
export interface Damage {
  /** From 1. */
  readonly line: number;
  readonly problem: string;
  readonly text: Buffer;
  /** What the line says, when only its place is wrong. */
  readonly record?: JournalRecord;
}

const readBytes = 1 << 20;
/** Damaged lines that are kept in mind; a file with more is no journal. */
const mostDamages = 10_000;
const newline = 10;

/** Calls `take` for each line without its newline, and once more for what follows the last; a line is good during the call only. */
function eachLine(file: number, take: (line: Buffer, offset: number, isWhole: boolean) => void): void {
  let begun: Buffer[] = []; // the line so far, when it goes on in the next block
  let offset = 0;
  const block = Buffer.alloc(readBytes);
  for (let position = 0; ;) {
    const got = readSync(file, block, 0, readBytes, position);
    position += got;
    let rest = block.subarray(0, got);
    for (let end = rest.indexOf(newline); end >= 0; end = rest.indexOf(newline)) {
      const line = begun.length === 0 ? rest.subarray(0, end) : Buffer.concat([...begun, rest.subarray(0, end)]);
      begun = [];
      take(line, offset, true);
      offset += line.length + 1;
      rest = rest.subarray(end + 1);
    }
    if (rest.length > 0) begun.push(Buffer.from(rest));
    if (got === 0) break;
  }
  if (begun.length > 0) take(Buffer.concat(begun), offset, false);
}

/** Visits every record of an open journal in order; `damaged` is told of each line that is none, and may throw. */
function scanFile(
  path: string,
  file: number,
  visit: (record: JournalRecord, extent: Extent) => void,
  damaged: (damage: Damage) => void,
): Scan {
  let [count, bytes, line, expected, damages] = [0, 0, 0, 0, 0];
  const tell = (damage: Damage): void => {
    if (++damages > mostDamages) throw notJournal(path);
    damaged(damage);
  };
  let torn: Buffer = Buffer.alloc(0);
  const sequence = new Sequence();
  eachLine(file, (text, offset, isWhole) => {
    line++;
    const decoded = decodeLine(text);
    if (!isWhole && "problem" in decoded && "problem" in decodeLine(text.subarray(0, -1))) {
      torn = Buffer.from(text);
      return;
    }
    // A whole line but for its newline is a record; one with another byte instead has been changed.
    const record = "problem" in decoded ? decoded.problem : checkRecord(decoded.data);
    const seq = "problem" in decoded ? expected : decoded.seq;
    const isInPlace = seq === expected;
    expected = seq + 1;
    if (typeof record === "string") return tell({ line, problem: record, text: Buffer.from(text) });
    if (!isInPlace) {
      const problem = `the line has number ${seq} where ${line - 1} should be: lines were lost, doubled or moved`;
      return tell({ line, problem, text: Buffer.from(text), record });
    }
    const impossible = sequence.problemOf(record, line === 1);
    if (impossible !== undefined) return tell({ line, problem: `no run comes to this: ${impossible}`, text: Buffer.from(text) });
    count++;
    bytes = offset + text.length + (isWhole ? 1 : 0);
    visit(record, { offset, bytes: text.length });
  });
  return { count, bytes, torn };
}

const notJournal = (path: string): UserError =>
  new UserError(
    {
      code: "journal_damaged",
      message: `${path}: more than ${mostDamages} of its lines are damaged: it is no journal`,
      hint: `restore it, or begin in another folder with ${option("out")}`,
    },
    "disagreement",
  );

const refusal = (folder: OpenFolder, name: string, { line, problem }: Damage): UserError =>
  new UserError(
    {
      code: "journal_damaged",
      message: `${join(folder.path, name)}:${line}: ${problem}`,
      hint: `restore it, or put the line aside with: mutransfer repair ${shellWord(folder.path)}`,
    },
    "disagreement",
  );

/** Reads a journal, if there is one, without changing it; throws a UserError of kind disagreement at a damaged line unless told what to do with it. */
export function scanJournal(
  folder: OpenFolder,
  name: string,
  visit: (record: JournalRecord, extent: Extent) => void,
  damaged: (damage: Damage) => void = (damage) => {
    throw refusal(folder, name, damage);
  },
): Scan {
  const file = folder.open(name, "read");
  if (file === undefined) return { count: 0, bytes: 0, torn: Buffer.alloc(0) };
  try {
    return scanFile(join(folder.path, name), file, visit, damaged);
  } finally {
    closeSync(file);
  }
}

/** Reads the record at a place that a scan or an append has given. */
function readRecord(file: number, path: string, { offset, bytes }: Extent): JournalRecord {
  const text = Buffer.alloc(bytes);
  readSync(file, text, 0, bytes, offset);
  const decoded = decodeLine(text);
  const record = "problem" in decoded ? decoded.problem : checkRecord(decoded.data);
  if (typeof record === "string")
    throw new UserError({ code: "journal_damaged", message: `${path}: it was changed while it was in use: ${record}` }, "disagreement");
  return record;
}

/** A journal that is open to be added to. */
export class Journal {
  /** What a crash had left of a line, put aside before it was cut off. */
  readonly tornFile: string | undefined;
  private readonly folder: OpenFolder;
  private readonly name: string;
  private readonly file: number;
  private count: number;
  private end: number;

  private constructor(folder: OpenFolder, name: string, file: number, { count, bytes }: Scan, tornFile: string | undefined) {
    this.folder = folder;
    this.name = name;
    this.file = file;
    this.count = count;
    this.end = bytes;
    this.tornFile = tornFile;
  }

  /** Opens or creates a journal and visits its records; call it under the folder's lock. */
  static open(folder: OpenFolder, name: string, visit: (record: JournalRecord, extent: Extent) => void): Journal {
    const known = folder.open(name, "update");
    const file = known ?? folder.create(name);
    try {
      if (known === undefined) folder.sync();
      const scan = scanFile(join(folder.path, name), file, visit, (damage) => {
        throw refusal(folder, name, damage);
      });
      const tornFile = scan.torn.length > 0 ? putAside(folder, name, scan) : undefined;
      const journal = new Journal(folder, name, file, scan, tornFile);
      journal.cutBack();
      return journal;
    } catch (error) {
      closeSync(file);
      throw error;
    }
  }

  /**
   * Appends records and returns where they lie when all of them are on disk; when they cannot be, none of them is.
   * Throws what `check` throws.
   */
  append(records: readonly JournalRecord[]): readonly Extent[] {
    this.check();
    const lines = records.map((record, index) => Buffer.from(encodeLine(this.count + index, record)));
    let offset = this.end;
    const places = lines.map(({ length }) => {
      const extent = { offset, bytes: length - 1 };
      offset += length;
      return extent;
    });
    try {
      failpoint("journal.before");
      const bytes = Buffer.concat(lines);
      const half = hasFailpoints() ? Math.floor(bytes.length / 2) : 0;
      if (half > 0) {
        this.write(bytes.subarray(0, half), this.end);
        failpoint("journal.half");
      }
      this.write(bytes.subarray(half), this.end + half);
      failpoint("journal.written");
      fdatasyncSync(this.file);
    } catch (error) {
      this.cutBack();
      throw error;
    }
    this.count += records.length;
    this.end = offset;
    failpoint("journal.synced");
    return places;
  }

  read(extent: Extent): JournalRecord {
    return readRecord(this.file, join(this.folder.path, this.name), extent);
  }

  /** Throws a UserError when the folder or the file is no longer in its place (kind io), or another process has written to it (kind locked). */
  check(): void {
    this.folder.checkHeld(this.name, this.file);
    if (fstatSync(this.file).size !== this.end) throw takenFrom(this.folder);
  }

  close(): void {
    closeSync(this.file);
  }

  private write(bytes: Buffer, position: number): void {
    for (let written = 0; written < bytes.length;)
      written += writeSync(this.file, bytes, written, bytes.length - written, position + written);
  }

  /** To the end of the last whole record, with its newline. */
  private cutBack(): void {
    if (fstatSync(this.file).size > this.end) ftruncateSync(this.file, this.end);
    const last = Buffer.alloc(1);
    if (this.end > 0 && readSync(this.file, last, 0, 1, this.end - 1) === 1 && last[0] !== newline) {
      this.write(Buffer.from("\n"), this.end);
      this.end++;
    }
  }
}

/** Keeps the cut line in a file beside the journal; gives its path. */
function putAside(folder: OpenFolder, journal: string, { count, torn }: Scan): string {
  for (let copy = 0; ; copy++) {
    const name = `${journal}.torn-${count}${copy === 0 ? "" : `-${copy}`}`;
    if (folder.has(name)) continue;
    folder.write(name, [torn]);
    return join(folder.path, name);
  }
}
