/**
 * A run of tokens, which may be spread over many files far larger than memory, and its
 * reader. Every block that is read is compared with its checksum of the time when the whole
 * file was checked, so that nothing is trained on that was not checked.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { crc32 } from "node:zlib";
import { blockBytes, dataChanged, forget, idsOf, readTable, type CheckedFile } from "./checked-file.ts";

/** Consecutive tokens of one file. */
export interface Piece {
  readonly file: CheckedFile;
  readonly start: number;
  readonly count: number;
}

export interface TokenRun {
  readonly pieces: readonly Piece[];
  readonly count: number;
  /** Every id is below it. */
  readonly vocabSize: number;
}

/** Pieces, one after the other. */
export function runOf(pieces: readonly Piece[], vocabSize: number): TokenRun {
  return { pieces, count: pieces.reduce((sum, { count }) => sum + count, 0), vocabSize };
}

export interface TokenReader {
  /** Fills `into` with the tokens from `start` on; the run must reach that far. Throws `data_changed`, naming the file. */
  read(start: number, into: Int32Array): void;
  close(): void;
}

/** A training step's windows are many and small, so runs up to this size are read whole. */
const wholeBytes = 64 * 2 ** 20;

/** Opens a run for reading: runs above `readWholeUpTo` bytes by offset, smaller ones from memory. */
export function openTokens(run: TokenRun, readWholeUpTo = wholeBytes): TokenReader {
  const reader = byOffset(run);
  const bytes = run.pieces.reduce((sum, { file, count }) => sum + count * file.bytesPerToken, 0);
  if (bytes > readWholeUpTo) return reader;
  try {
    const whole = new Int32Array(run.count);
    reader.read(0, whole);
    return { read: (start, into) => into.set(whole.subarray(start, start + into.length)), close: () => undefined };
  } finally {
    reader.close();
  }
}

/** Files that a reader keeps open; a run may have more of them than a process may. */
const mostOpen = 64;

function byOffset({ pieces, vocabSize }: TokenRun): TokenReader {
  const ends: number[] = [];
  for (const { count } of pieces) ends.push((ends.at(-1) ?? 0) + count);
  /** The one used last comes last. */
  const open = new Map<CheckedFile, OpenFile>();
  const opened = (file: CheckedFile): OpenFile => {
    const found = open.get(file) ?? openFile(file, vocabSize);
    open.delete(file);
    open.set(file, found);
    if (open.size > mostOpen)
      for (const [oldest, { close }] of open) {
        close();
        open.delete(oldest);
        break;
      }
    return found;
  };
  return {
    read: (start, into) => {
      let index = firstAbove(ends, start);
      for (let done = 0; done < into.length; index++) {
        const { file, start: first, count } = pieces[index];
        const within = start + done - (ends[index] - count);
        const wanted = Math.min(into.length - done, count - within);
        opened(file).read(first + within, into.subarray(done, done + wanted));
        done += wanted;
      }
    },
    close: () => {
      for (const { close } of open.values()) close();
      open.clear();
    },
  };
}

/** The first place whose value is above `value`, of values in ascending order. */
function firstAbove(values: readonly number[], value: number): number {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

interface OpenFile {
  /** Fills `into` with the file's tokens from `start` on. */
  readonly read: (start: number, into: Int32Array) => void;
  readonly close: () => void;
}

/** What the system says of a file that is not there any more. */
const gone: ReadonlySet<string | undefined> = new Set(["ENOENT", "ENOTDIR", "ENXIO", "ELOOP"]);
/** Blocks that are read at once, at most. */
const readBlocks = 256;

function openFile(file: CheckedFile, vocabSize: number): OpenFile {
  const { path, bytesPerToken, byteOffset } = file;
  const checksums = readTable(file);
  const changed = (how: string): Error => {
    forget(file);
    return dataChanged(path, how);
  };
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch (error) {
    if (gone.has((error as NodeJS.ErrnoException).code)) throw changed("is gone since it was checked");
    throw error;
  }
  const end = file.count * bytesPerToken;
  const buffer = Buffer.from(new ArrayBuffer(readBlocks * blockBytes));
  /** Tokens of whole blocks, in one reading. */
  const readSome = (start: number, into: Int32Array): number => {
    const firstBlock = Math.floor((start * bytesPerToken) / blockBytes);
    const from = firstBlock * blockBytes;
    const wantedEnd = Math.ceil(((start + into.length) * bytesPerToken) / blockBytes) * blockBytes;
    const length = Math.min(wantedEnd, end, from + buffer.length) - from;
    if (readSync(descriptor, buffer, 0, length, byteOffset + from) !== length) throw changed("was cut short since it was checked");
    for (let at = 0, block = firstBlock; at < length; at += blockBytes, block++)
      if (crc32(buffer.subarray(at, Math.min(at + blockBytes, length))) !== checksums[block])
        throw changed(`changed since it was checked, at byte ${byteOffset + from + at} or soon after`);
    const ids = idsOf(buffer.subarray(0, length), bytesPerToken);
    const skipped = start - from / bytesPerToken;
    const count = Math.min(into.length, ids.length - skipped);
    for (let index = 0; index < count; index++) {
      const id = ids[skipped + index];
      if (id >= vocabSize) throw changed(`has the id ${id}, and the vocabulary that it was checked against has ${vocabSize}`);
      into[index] = id;
    }
    return count;
  };
  return {
    read: (start, into) => {
      for (let done = 0; done < into.length;) done += readSome(start + done, into.subarray(done));
    },
    close: () => closeSync(descriptor),
  };
}
