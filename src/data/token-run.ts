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

/** Tokens to read, one after the other: where they lie and how they are stored. */
export interface TokenRun {
  readonly pieces: readonly Piece[];
  readonly count: number;
  /** A number that every id is below. */
  readonly vocabSize: number;
}

/** Where the tokens lie: pieces of files, one after the other. */
export function runOf(pieces: readonly Piece[], vocabSize: number): TokenRun {
  return { pieces, count: pieces.reduce((sum, { count }) => sum + count, 0), vocabSize };
}

/** An open token run. */
export interface TokenReader {
  /** Fills `into` with the tokens from `start` on; the run must reach that far. Throws `data_changed`, naming the file. */
  read(start: number, into: Int32Array): void;
  close(): void;
}

/** A training step's windows are many and small, so runs up to this size are read whole. */
const wholeBytes = 64 * 2 ** 20;

const bytesOf = ({ pieces }: TokenRun): number => pieces.reduce((sum, { file, count }) => sum + count * file.bytesPerToken, 0);
/** Memory that an open run's tokens take. */
export const openBytes = (run: TokenRun): number => (bytesOf(run) > wholeBytes ? 0 : Int32Array.BYTES_PER_ELEMENT * run.count);

/** Opens a run for reading: runs above `readWholeUpTo` bytes by offset, smaller ones from memory. */
export function openTokens(run: TokenRun, readWholeUpTo = wholeBytes): TokenReader {
  const reader = byOffset(run);
  if (bytesOf(run) > readWholeUpTo) return reader;
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
  /** Open files, of which the one opened last comes last. */
  const open = new Map<CheckedFile, OpenFile>();
  const opened = (file: CheckedFile): OpenFile => {
    const found = open.get(file);
    if (found !== undefined) return found;
    if (open.size === mostOpen)
      for (const [oldest, { close }] of open) {
        close();
        open.delete(oldest);
        break;
      }
    const made = new OpenFile(file, vocabSize);
    open.set(file, made);
    return made;
  };
  return {
    read: (start, into) => {
      let index = pieces.length === 1 ? 0 : firstAbove(ends, start);
      for (let done = 0; done < into.length; index++) {
        const { file, start: first, count } = pieces[index];
        const within = start + done - (ends[index] - count);
        const wanted = Math.min(into.length - done, count - within);
        opened(file).read(first + within, into, done, wanted);
        done += wanted;
      }
    },
    close: () => {
      for (const { close } of open.values()) close();
      open.clear();
    },
  };
}

/** Index of the first value above `value`, of values in ascending order. */
function firstAbove(values: readonly number[], value: number): number {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** What the system says of a file that is not there any more. */
const gone: ReadonlySet<string | undefined> = new Set(["ENOENT", "ENOTDIR", "ENXIO", "ELOOP"]);

/** Blocks that are read at once, at most, and where they are read to; made once, since windows are many and small. */
const readBlocks = 512;
const buffer = Buffer.from(new ArrayBuffer(readBlocks * blockBytes));
const blocks: readonly Buffer[] = Array.from({ length: readBlocks }, (_, index) =>
  buffer.subarray(index * blockBytes, (index + 1) * blockBytes),
);
const views = { 2: idsOf(buffer, 2), 4: idsOf(buffer, 4) } as const;

/** A file that is being read from. */
class OpenFile {
  readonly close: () => void;
  private readonly file: CheckedFile;
  private readonly vocabSize: number;
  private readonly checksums: Uint32Array;
  private readonly descriptor: number;

  constructor(file: CheckedFile, vocabSize: number) {
    this.file = file;
    this.vocabSize = vocabSize;
    this.checksums = readTable(file);
    try {
      this.descriptor = openSync(file.path, "r");
    } catch (error) {
      if (gone.has((error as NodeJS.ErrnoException).code)) throw this.changed("is gone since it was checked");
      throw error;
    }
    this.close = () => closeSync(this.descriptor);
  }

  /** Puts `count` tokens from `start` on into `into`, from index `at` on. */
  read(start: number, into: Int32Array, at: number, count: number): void {
    for (let done = 0; done < count;) done += this.readSome(start + done, into, at + done, count - done);
  }

  /** Reads as many tokens as there is room for in one reading of whole blocks. */
  private readSome(start: number, into: Int32Array, at: number, count: number): number {
    const { bytesPerToken, byteOffset, count: tokens } = this.file;
    const firstBlock = Math.floor((start * bytesPerToken) / blockBytes);
    const from = firstBlock * blockBytes;
    const wantedEnd = Math.ceil(((start + count) * bytesPerToken) / blockBytes) * blockBytes;
    const length = Math.min(wantedEnd, tokens * bytesPerToken, from + buffer.length) - from;
    if (readSync(this.descriptor, buffer, 0, length, byteOffset + from) !== length)
      throw this.changed("was cut short since it was checked");
    for (let block = 0, left = length; left > 0; block++, left -= blockBytes) {
      const bytes = left >= blockBytes ? blocks[block] : blocks[block].subarray(0, left);
      if (crc32(bytes) !== this.checksums[firstBlock + block])
        throw this.changed(`changed since it was checked, between bytes ${byteOffset + from} and ${byteOffset + from + length}`);
    }
    const ids = bytesPerToken === 8 ? idsOf(buffer.subarray(0, length), 8) : views[bytesPerToken];
    const skipped = start - from / bytesPerToken;
    const taken = Math.min(count, length / bytesPerToken - skipped);
    for (let index = 0; index < taken; index++) {
      const id = ids[skipped + index];
      if (id >= this.vocabSize)
        throw this.changed(`has the id ${id}, and the vocabulary that it was checked against has ${this.vocabSize}`);
      into[at + index] = id;
    }
    return taken;
  }

  /** Forgets that the file was checked, and says how it is another one now. */
  private changed(how: string): Error {
    forget(this.file);
    return dataChanged(this.file.path, how);
  }
}
